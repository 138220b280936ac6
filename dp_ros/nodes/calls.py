"""Service calls from outside the spinning thread, with answers or a sentence."""

import threading
from typing import Any

from rclpy.client import Client

TIMEOUT_S = 15.0


class CallError(RuntimeError):
    """A service did not do what was asked; the text says what was asked of whom."""


def ask(client: 'Client[Any, Any]', request: Any, timeout_s: float = TIMEOUT_S) -> Any:
    """Call a service and wait for its response; None if none comes in time."""
    done = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: done.set())
    if not done.wait(timeout_s):
        client.remove_pending_request(future)
        return None
    return future.result()


def call(client: 'Client[Any, Any]', request: Any, what: str) -> str:
    """Call a service, wait for its answer and return what it says; raises CallError."""
    response = ask(client, request)
    if response is None:
        raise CallError(f'no answer to "{what}" from {client.srv_name}')
    results = getattr(response, 'results', [response])
    failed = next((r for r in results if not getattr(r, 'success', r)), None)
    if failed is not None:
        text = getattr(failed, 'message', '') or getattr(failed, 'reason', '')
        raise CallError(f'{client.srv_name} could not {what}: {text}')
    return str(getattr(response, 'message', ''))
