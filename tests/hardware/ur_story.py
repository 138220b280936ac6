"""A rollout of its own process, since ur_rtde may crash it: feed the arm, break the link, recover.

Arguments: the fault. Prints one line `result {...}`: what the driver said and how long it took.
"""

import faulthandler
import json
import os
import signal
import sys
import time

import numpy as np

from dp_ros.core.robot import ArmStatus, Command
from dp_ros.hardware.arm import ArmError, DriverBroken
from dp_ros.hardware.ur import URArm
from tests.ur_peer import Peer

PERIOD_S = 0.008


class Story:
    """An arm that is fed as the executor does it, and what happens to it."""

    def __init__(self, peer):
        self.peer, self.told = peer, {}
        self.arm = URArm(peer.address, watchdog_hz=10.0, link_timeout_s=0.25)
        self.arm.connect()
        self.state = self.arm.read()

    def feed(self, seconds, until=None):
        """Read and send, as long as the arm obeys; afterwards only read."""
        end, slowest = time.monotonic() + seconds, 0.0
        target = np.array(self.state.joint_positions)
        while time.monotonic() < end and self.state.status is not until:
            begun = time.monotonic()
            self.state = self.arm.read()
            if self.state.status is ArmStatus.RUNNING:
                target[0] += 0.0005
                try:
                    self.arm.send(Command('joint', target))
                except ArmError:
                    continue
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(PERIOD_S)
        return slowest

    def lose(self, act, seconds=3.0):
        """What `act` does to the link, and how soon that is noticed."""
        self.feed(0.4)
        begun = time.monotonic()
        act()
        slowest = self.feed(seconds, until=ArmStatus.LINK_LOST)
        self.told |= {
            'status': self.state.status.value,
            'detail': self.state.detail,
            'lost_s': time.monotonic() - begun,
            'slowest_s': slowest,
        }
        # Nothing but disconnect is called now; that may not block either.
        begun = time.monotonic()
        self.arm.hold(1.0)
        try:
            self.arm.send(Command('joint', self.state.joint_positions))
            self.told['refused'] = False
        except ArmError:
            self.told['refused'] = True
        self.told['after_s'] = time.monotonic() - begun

    def recover(self):
        """Connect anew; the arm must stand still then."""
        begun = time.monotonic()
        self.arm.connect()
        self.told['connect_s'] = time.monotonic() - begun
        before = self.arm.read()
        time.sleep(0.15)
        self.state = self.arm.read()
        self.told['recovered'] = self.state.status.value
        self.told['moved'] = float(
            np.abs(self.state.joint_positions - before.joint_positions).max()
        )
        self.feed(0.3)
        self.told['fed'] = self.state.status.value

    def close(self):
        begun = time.monotonic()
        self.arm.close()
        self.told['close_s'] = time.monotonic() - begun


def main(fault):
    """Tell the story of one fault."""
    peer = Peer()
    with peer:
        story = Story(peer)
        if fault == 'mute_1':
            story.lose(lambda: peer('mute'))
            try:
                story.arm.connect()
            except ArmError as error:
                story.told['silent'] = str(error)
            story.feed(0.7)
            peer('unmute')
            time.sleep(0.1)
            story.recover()
        elif fault in ('mute_4', 'freeze_4'):
            story.lose(lambda: peer('mute') if fault == 'mute_4' else peer.signal(signal.SIGSTOP))
            noticed = time.monotonic()
            try:
                story.feed(4.0)
            except DriverBroken as error:
                story.told |= {'broken': str(error), 'broken_s': time.monotonic() - noticed}
            print('result', json.dumps(story.told), flush=True)
            peer.kill()
            os._exit(0)
        elif fault == 'drop_rtde':
            story.lose(lambda: peer('drop_rtde'))
            story.recover()
        elif fault == 'drop_control':
            story.lose(lambda: peer('drop_control'))
            story.recover()
        elif fault == 'restart':
            story.lose(peer.kill)
            try:
                story.arm.connect()
                story.told['dead'] = 'connected'
            except ArmError as error:
                story.told['dead'] = str(error)
            story.state = story.arm.read()
            story.told['still'] = story.state.status.value
            with Peer(address=peer.address) as again:
                story.peer = again
                story.recover()
                story.close()
        else:
            raise ValueError(fault)
        if 'close_s' not in story.told:
            story.close()
    print('result', json.dumps(story.told), flush=True)


if __name__ == '__main__':
    faulthandler.enable()
    main(sys.argv[1])
    # Whether ur_rtde's own threads survive an exit is not the question here.
    os._exit(0)
