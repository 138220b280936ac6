"""One bag to steps: what was seen, what was then commanded, and where a stretch ends."""

import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros import yamlfile
from dp_ros.data import alignment, episode
from dp_ros.data.alignment import Alignment
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import BagError
from dp_ros.data.bag_windows import Anchored, Verified, planned_digests, replayed, verify_windows
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.data.episode_steps import CommandedBy, Tally, required_topics, steps
from dp_ros.data.images import prepare
from dp_ros.data.topic_names import COMMAND, DIAGNOSTICS, MODE, TCP_POSE
from dp_ros.robot import Robot
from dp_ros.task import Task
from tests.data import drawn_bags
from tests.data.cameras import FAR, NEAR, task

STATE, ROBOT = task(), drawn_bags.robot()
PERIOD_NS = STATE.period_ns
GOLDEN = Path(__file__).parents[1] / 'replay' / 'golden'


def made(folder, commanded_by='teleoperated', the_task=STATE, robot=ROBOT):
    """(steps, tally) of a bag."""
    tally = Tally()
    with open_bag(folder) as bag:
        return list(steps(bag, the_task, robot, CommandedBy(commanded_by), tally)), tally


def stretches(taken):
    """Times [s] after the start of the steps of each stretch."""
    ends = [i for i, step in enumerate(taken) if step.begins] + [len(taken)]
    seconds = [round((step.stamp_ns - drawn_bags.START_NS) / 1e9, 3) for step in taken]
    return [seconds[a:b] for a, b in itertools.pairwise(ends)]


def test_a_step_holds_what_was_seen_and_what_was_commanded_a_period_later(tmp_path):
    seen = task(NEAR, FAR)
    robot = drawn_bags.robot(NEAR, FAR)
    folder = drawn_bags.record(tmp_path / 'bag', seen, robot)
    taken, tally = made(folder, the_task=seen, robot=robot)
    # The first window begins after the first sample, the last step before the last command.
    assert stretches(taken) == [[round(0.2 + 0.1 * i, 1) for i in range(17)]]
    assert (tally.steps, tally.stretches, tally.modes['teleoperated'] > 1.9) == (17, 1, True)
    for step in taken:
        at = (step.stamp_ns - drawn_bags.START_NS) / 1e9
        np.testing.assert_allclose(step.state, drawn_bags.tip(at), atol=1e-9)
        np.testing.assert_allclose(step.action, drawn_bags.commanded(at + 0.1), atol=1e-9)
        newest = int((at - 0.002) * 30 + 1e-6)
        for camera in (NEAR, FAR):
            expected = prepare(drawn_bags.frame(camera, newest), camera)
            np.testing.assert_array_equal(step.frames[camera.name], expected)


def test_joint_commands_are_taken_by_name(tmp_path):
    action = {'space': 'joint', 'components': ['elbow', 'wrist']}
    jointed = yamlfile.parse(Task, {**STATE.model_dump(), 'action': action}, '')
    taken, _ = made(drawn_bags.record(tmp_path / 'bag', jointed, ROBOT), the_task=jointed)
    assert len(taken) == 17
    for step in taken:
        at = (step.stamp_ns - drawn_bags.START_NS) / 1e9
        np.testing.assert_allclose(step.action, drawn_bags.commanded(at + 0.1)[::-1], atol=1e-9)


def test_a_release_and_an_intervention_split_and_each_commander_has_his_steps(tmp_path):
    modes = (
        (0.0, 'policy'), (0.84, 'teleoperated'), (1.46, 'holding'), (1.74, 'teleoperated'),
        (2.35, 'teleoperated'), (2.66, 'policy'),
    )  # fmt: skip
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT, 3.5, modes)
    person = [[0.9, 1.0, 1.1, 1.2, 1.3], [1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5]]
    policy = [[0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [2.7, 2.8, 2.9, 3.0, 3.1, 3.2, 3.3]]
    assert stretches(made(folder)[0]) == person
    assert stretches(made(folder, 'policy')[0]) == policy
    anyone, _ = made(folder, 'anyone')
    assert stretches(anyone) == sorted(person + policy)
    assert {step.mode for step in anyone} == {'teleoperated', 'policy'}


def test_a_step_without_its_command_ends_the_stretch(tmp_path):
    folder = drawn_bags.record(
        tmp_path / 'bag', STATE, ROBOT,
        keep=lambda topic, at: topic != COMMAND or not 0.95 < at < 1.12,
    )  # fmt: skip
    taken, tally = made(folder)
    # The label of 0.9 is due at 1.0, where no command is known.
    assert [part[-1] for part in stretches(taken)] == [0.8, 1.8]
    assert [part[0] for part in stretches(taken)] == [0.2, 1.1]
    # So is that of 1.0 at 1.1, and that of 1.9 after the last command.
    assert tally.unlabelled == 3


def test_commands_that_never_come_again_let_go_of_the_windows_that_wait(tmp_path):
    folder = drawn_bags.record(
        tmp_path / 'bag', STATE, ROBOT, 4.0, keep=lambda topic, at: topic != COMMAND or at < 1
    )
    taken, tally = made(folder)
    assert stretches(taken) == [[0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]]
    assert tally.unlabelled >= 29


@pytest.mark.parametrize(
    ('topic', 'why'),
    [
        (TCP_POSE, 'tcp: two neighbouring samples lie too far apart'),
        (NEAR.topic, 'near: no frame lies close enough before a grid time'),
    ],
)
def test_a_gap_in_a_stream_ends_the_stretch_and_is_counted(tmp_path, topic, why):
    seen, robot = task(NEAR), drawn_bags.robot(NEAR)
    folder = drawn_bags.record(
        tmp_path / 'bag', seen, robot, modes=((0.15, 'teleoperated'),),
        keep=lambda name, at: name != topic or not 0.82 < at < 1.18,
    )  # fmt: skip
    taken, tally = made(folder, the_task=seen, robot=robot)
    assert len(stretches(taken)) == 2
    assert dict(tally.refused).keys() == {why}
    assert tally.refused[why] >= 3


def test_a_step_alone_is_no_episode(tmp_path):
    modes = ((0.0, 'idle'), (0.55, 'teleoperated'), (0.75, 'idle'))
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT, modes=modes)
    taken, tally = made(folder)
    assert (taken, tally.alone, tally.steps, tally.stretches) == ([], 1, 0, 0)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.sampled_from(['teleoperated', 'policy', 'holding'])),
        max_size=6, unique_by=lambda change: round(change[0], 3),
    )
)  # fmt: skip
def test_every_step_is_commanded_from_its_beginning_to_its_end(tmp_path_factory, changes):
    modes = [(0.0, 'idle'), *sorted(changes)]
    folder = drawn_bags.record(
        tmp_path_factory.mktemp('bags') / 'bag', STATE, ROBOT, modes=tuple(modes)
    )
    taken, tally = made(folder, 'anyone')
    late = drawn_bags.LATE_NS
    for step in taken:
        told = [
            mode for at, mode in modes
            if drawn_bags.stamp_ns(at) + late <= step.stamp_ns + PERIOD_NS
        ]  # fmt: skip
        before = [
            mode for at, mode in modes if drawn_bags.stamp_ns(at) + late <= step.stamp_ns
        ]  # fmt: skip
        assert {step.mode} == {*told[len(before) - 1 :]}
    for a, b in itertools.pairwise(taken):
        follows = b.stamp_ns - a.stamp_ns == PERIOD_NS and a.mode == b.mode
        assert b.begins == (not follows)
    assert all(len(part) > 1 for part in stretches(taken))
    assert (tally.steps, tally.stretches) == (len(taken), len(stretches(taken)))


def test_windows_that_were_digested_live_are_told_from_others(tmp_path):
    seen, robot = task(NEAR), drawn_bags.robot(NEAR)
    folder = drawn_bags.record(tmp_path / 'bag', seen, robot)
    with open_bag(folder) as bag:
        assert verify_windows(bag, seen, robot) == Verified()
        windows = {
            event.anchor_ns: alignment.digest(event.window, alignment.images(event.window))
            for event in replayed(bag, Alignment(seen, robot))
            if isinstance(event, Anchored) and event.anchor_ns > drawn_bags.stamp_ns(0.15)
        }
        assert len(windows) > 15
    told = dict(list(windows.items())[::3])
    changed = {**told, drawn_bags.stamp_ns(0.5): '0' * 16, drawn_bags.stamp_ns(-1): '1' * 16}
    again = copy_with_digests(folder, tmp_path / 'again', changed)
    with open_bag(again) as bag:
        assert planned_digests(bag) == changed
        kept = sum(changed[anchor] == digest for anchor, digest in told.items())
        assert verify_windows(bag, seen, robot) == Verified(kept, 1, 1)


@pytest.mark.parametrize('folder', sorted(GOLDEN.glob('*/bag')), ids=lambda path: path.parent.name)
def test_windows_of_a_recorded_bag_are_those_of_the_live_node(folder):
    known = episode.load(folder)
    recorded, robot = yamlfile.parse(Task, known.task, ''), yamlfile.parse(Robot, known.robot, '')
    with open_bag(folder) as bag:
        verified = verify_windows(bag, recorded, robot)
        planned = len(planned_digests(bag))
    assert (verified.different, verified.missing) == (0, 0)
    assert verified.equal == planned > 0


def copy_with_digests(folder, target, digests):
    """The bag again, with what an inference node says of its windows."""
    writer = BagWriter(target)
    types = TYPES.types
    with open_bag(folder) as bag:
        for topic, kind in bag.topics.items():
            writer.add_topic(topic, kind)
        for recorded in bag.messages():
            writer.write(recorded.topic, recorded.received_ns, recorded.cdr)
            last_ns = recorded.received_ns
    kind = 'diagnostic_msgs/msg/DiagnosticArray'
    writer.add_topic(DIAGNOSTICS, kind)
    pair, status = (types[f'diagnostic_msgs/msg/{n}'] for n in ('KeyValue', 'DiagnosticStatus'))
    for anchor_ns, digest in digests.items():
        values = [pair('anchor_ns', str(anchor_ns)), pair('window', digest)]
        said = [status(level=0, name='inference/chunk', message='', hardware_id='', values=values)]
        message = types[kind](header=drawn_bags.header(0.0), status=said)
        writer.write(DIAGNOSTICS, last_ns, TYPES.serialize_cdr(message, kind))
    writer.close()
    return target


# Bags that cannot be used.


@pytest.mark.parametrize('topic', [TCP_POSE, COMMAND, MODE])
def test_a_bag_without_a_topic_is_refused(tmp_path, topic):
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT, keep=lambda name, _: name != topic)
    with pytest.raises(BagError, match=f'{topic} holds no message'):
        made(folder)
    other = yamlfile.parse(Task, {**STATE.model_dump(), 'observations': [
        {'type': 'pose', 'name': 'cup', 'topic': '/cup_pose', 'components': ['x']},
    ]}, '')  # fmt: skip
    with pytest.raises(BagError, match='lacks /cup_pose; it holds /executor/command'):
        made(folder, the_task=other)


def test_a_topic_of_another_type_is_refused(tmp_path):
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT)
    joints = {**STATE.model_dump(), 'action': {'space': 'joint', 'components': ['elbow_joint']}}
    with pytest.raises(BagError, match=f'{COMMAND} is .*PoseStamped; expected .*JointState'):
        made(folder, the_task=yamlfile.parse(Task, joints, ''))
    assert required_topics(STATE, ROBOT)[MODE] == drawn_bags.TEXT


@pytest.mark.parametrize(
    ('topic', 'by', 'told'),
    [
        (COMMAND, -0.05, f'{COMMAND}: the stamps are out of order'),
        (TCP_POSE, -5.0, 'the stamps of tcp are out of order: .* jump by more than a second'),
        (TCP_POSE, 5.0, 'the stamps of tcp are out of order'),
    ],
)
def test_stamps_out_of_order_are_refused(tmp_path, topic, by, told):
    folder = drawn_bags.record(
        tmp_path / 'bag', STATE, ROBOT,
        shift=lambda name, at: by if name == topic and 0.9 < at < 1.0 else 0.0,
    )  # fmt: skip
    with pytest.raises(BagError, match=told):
        made(folder)


def test_commands_that_are_not_finite_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_bags, 'commanded', lambda _: (float('nan'), 0.0))
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT)
    with pytest.raises(BagError, match=f'{COMMAND}: pose holds NaN'):
        made(folder)


# Flipped bits make numbers that overflow before they are refused.
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7), st.booleans())
def test_a_damaged_bag_is_refused_or_read_without_any_other_error(whole, share, bit, cut):
    place = int(share * len(whole.data))
    flipped = bytearray(whole.data)
    flipped[place] ^= 1 << bit
    whole.file.write_bytes(whole.data[:place] if cut else flipped)
    try:
        taken, _ = made(whole.file.parent)
    except BagError:
        return
    assert not cut
    assert len(taken) <= 17


def test_a_bag_with_fewer_messages_than_it_names_is_refused(tmp_path):
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT)
    metadata = folder / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('message_count: 120', 'message_count: 125'))
    with pytest.raises(BagError, match=r'is damaged .241 messages, 251 by its metadata.yaml'):
        made(folder)


@dataclass(frozen=True)
class Whole:
    """The file of a bag, and its bytes."""

    file: Path
    data: bytes = field(repr=False)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = drawn_bags.record(tmp_path_factory.mktemp('whole') / 'bag', STATE, ROBOT)
    return Whole(folder / 'bag.mcap', (folder / 'bag.mcap').read_bytes())


def test_a_bag_in_a_folder_of_any_name_is_read(tmp_path):
    folder = drawn_bags.record(tmp_path / 'bag', STATE, ROBOT)
    named = tmp_path / 'Über den Tisch 机器人'
    shutil.copytree(folder, named)
    assert len(made(named)[0]) == 17
