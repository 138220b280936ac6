"""Who says what time it is: /clock at 100 Hz, as a simulator would publish it.

As a script it obeys lines on stdin: `jump SECONDS` (from now on so much further, or back), `stop`
and `go`; each is answered with `ok`.
"""

import os
import sys
import threading
import time

import rclpy
from rosgraph_msgs.msg import Clock

from dp_ros.nodes import convert

PERIOD_S = 0.01


def main() -> None:
    rclpy.init()
    node = rclpy.create_node('clock')
    out = node.create_publisher(Clock, '/clock', 10)
    state = {'offset_ns': 0, 'stopped': False}

    def listen() -> None:
        for line in sys.stdin:
            verb, _, value = line.strip().partition(' ')
            if verb == 'jump':
                state['offset_ns'] += round(float(value) * 1e9)
            state['stopped'] = verb == 'stop'
            print('ok', flush=True)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    print('ok', flush=True)
    deadline = time.monotonic()
    while True:
        if not state['stopped']:
            now_ns = time.time_ns() + state['offset_ns']
            out.publish(Clock(clock=convert.time_message(now_ns)))
        deadline += PERIOD_S
        time.sleep(max(0.0, deadline - time.monotonic()))


if __name__ == '__main__':
    main()
