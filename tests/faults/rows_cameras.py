"""Rows: frames that do not come, come twice, in another order, or late."""

from tests.faults.injections import camera
from tests.faults.row import RIDE, Row

NO_WINDOW = 'no window without fresh frames'
HEAL = camera('')

ROWS = [
    Row(
        'camera stalls', 'cameras', 'cameras', camera('stall'), NO_WINDOW,
        reason='observation: overhead: .*too old', heal=HEAL,
    ),
    Row(
        'camera stalls for 0.1 s', 'cameras', 'cameras', camera('stall', seconds=0.1),
        'a few lost frames are within the tolerance of the window', RIDE, heal=HEAL,
    ),
    Row(
        'each frame twice', 'cameras', 'cameras', camera('duplicate'),
        'the second is dropped', RIDE, heal=HEAL,
    ),
    Row(
        'frames with one and the same stamp', 'cameras', 'cameras', camera('frozen'), NO_WINDOW,
        reason='observation: overhead: .*too old', heal=HEAL,
    ),
    Row(
        'each second frame before the one before it', 'cameras', 'cameras', camera('reorder'),
        'samples are ordered by stamp', RIDE, heal=HEAL,
    ),
    Row(
        'latency steps by 0.5 s', 'cameras', 'cameras', camera('late'), NO_WINDOW,
        reason='observation: overhead: .*too old', heal=HEAL,
    ),
]  # fmt: skip
