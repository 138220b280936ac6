"""Recorders that write until they are killed: `python killed_recorder.py ROOT COUNT`.

Each writes the bag ROOT/<i> and logs what it has written in ROOT/<i>.log; their pids are printed.
"""

import os
import sys
import time
from pathlib import Path

from dp_ros.data.bag_writer import TYPES, BagWriter


def text(number):
    message = TYPES.types['std_msgs/msg/String'](data=f'message {number}')
    return TYPES.serialize_cdr(message, 'std_msgs/msg/String')


def record(folder):
    writer = BagWriter(folder)
    writer.add_topic('/text', 'std_msgs/msg/String')
    number = 0
    with folder.with_suffix('.log').open('w') as log:
        while True:
            writer.write('/text', time.time_ns(), text(number))
            print(number, time.monotonic(), file=log, flush=True)
            number += 1
            time.sleep(0.01)


def main():
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    for i in range(count):
        pid = os.fork()
        if pid == 0:
            record(root / str(i))
        print(pid, flush=True)
    for _ in range(count):
        os.wait()


if __name__ == '__main__':
    main()
