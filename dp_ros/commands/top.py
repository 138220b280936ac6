"""dp-ros top: the health of the graph in this ROS domain, as one page that renews itself."""

import contextlib
import os
import time

from rich.console import Console
from rich.live import Live

from dp_ros.commands.ending import asked_to_end
from dp_ros.commands.top_page import page
from dp_ros.ros_process import environment, shared_domain

# Each node has spoken at least once.
LISTEN_S = 3.0
PAGES_HZ = 4


def run(once: bool, seconds: float | None, console: Console) -> None:
    """Show the page until Ctrl-C, or for `seconds`; once, or without a terminal: one page.

    Raises ValueError where nobody speaks.
    """
    # It looks at a graph that runs already: in the domain that ROS programs use by default.
    domain = shared_domain()
    os.environ.update(environment())
    from dp_ros.nodes.top import connected

    with (
        asked_to_end() as ending,
        contextlib.suppress(KeyboardInterrupt),
        connected(domain) as listener,
    ):
        board = listener.board
        if once or not console.is_terminal:
            time.sleep(LISTEN_S if seconds is None else seconds)
            if not board.statuses:
                raise ValueError(
                    f'nobody speaks on /diagnostics in ROS domain {domain}; set ROS_DOMAIN_ID to '
                    f'that of the graph'
                )
            console.print(page(board, time.monotonic()))
            return
        until = time.monotonic() + (float('inf') if seconds is None else seconds)
        with Live(
            get_renderable=lambda: page(board, time.monotonic()),
            console=console,
            refresh_per_second=PAGES_HZ,
            screen=True,
        ):
            while not ending and time.monotonic() < until:
                time.sleep(min(0.1, max(0.0, until - time.monotonic())))
