"""The task description: validated, compared field by field, and what it makes of numbers."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dp_ros import paths, yamlfile
from dp_ros.core.arms import Part
from dp_ros.task import CartesianAction, Task, load_task, pose_components
from dp_ros.yamlfile import ConfigError

SHIPPED = sorted(paths.share('config', 'tasks').glob('*.yaml'))

DESCRIPTION = {
    'name': 'push',
    'rate_hz': 10,
    'horizons': {'observation': 2, 'prediction': 16, 'action': 8},
    'observations': [
        {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x', 'y']},
        {'type': 'joints', 'name': 'arm', 'topic': '/joint_states', 'components': ['a', 'b', 'c']},
    ],
    'action': {
        'space': 'cartesian',
        'components': ['x', 'y'],
        'fixed': {'z': 0.01, 'rx': 3.1, 'ry': 0, 'rz': 0},
    },
}


def changed(place, value):
    """The description with one field set; a value of None removes it."""
    content = copy.deepcopy(DESCRIPTION)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content


def task(place=(), value=None):
    return yamlfile.parse(Task, changed(place, value) if place else DESCRIPTION, 'task.yaml')


def fault(place, value):
    with pytest.raises(ConfigError) as caught:
        task(place, value)
    return str(caught.value)


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_tasks_load_bear_their_files_name_and_survive_a_round_trip(path, tmp_path):
    loaded = load_task(path)
    assert loaded.name == path.stem
    again = tmp_path / 'task.yaml'
    again.write_text(yamlfile.dump(loaded), encoding='utf-8')
    assert load_task(again) == loaded
    assert loaded.difference(load_task(again)) is None


def test_there_are_shipped_tasks():
    assert {path.stem for path in SHIPPED} >= {'pusht_cell', 'pusht_gym', 'two_arcs'}


@pytest.mark.parametrize(
    ('place', 'value', 'words'),
    [
        (('rate',), 10, ["unknown key 'rate'", "did you mean 'rate_hz'"]),
        (('horizons', 'predictions'), 3, ["'horizons.predictions'", "'prediction'"]),
        (('observations', 0, 'topics'), '/t', ["'observations.0.pose.topics'", "'topic'"]),
        (('observations', 1, 'tolerence_s'), 1, ["joints.tolerence_s'", "'tolerance_s'"]),
        (('action', 'fixd'), {}, ["'action.cartesian.fixd'", "'fixed'"]),
        (('rate_hz',), None, ["key 'rate_hz' is missing"]),
        (('horizons', 'action'), None, ["key 'horizons.action' is missing"]),
        (('rate_hz',), 'fast', ['rate_hz: ', "found 'fast'"]),
        (('rate_hz',), 0, ['rate_hz: ', 'greater than 0']),
        (('rate_hz',), float('nan'), ['rate_hz: ']),
        (('rate_hz',), 101, ['rate_hz: ', '100']),
        (('horizons', 'observation'), 1.5, ['horizons.observation: ', 'found 1.5']),
        (('horizons', 'observation'), 0, ['horizons.observation: ']),
        (('horizons',), 3, ['horizons: ', 'found 3']),
        (('observations',), [], ['observations: ']),
        (('observations', 0, 'topic'), 'tcp_pose', ['topic: ', "found 'tcp_pose'"]),
        (('observations', 0, 'name'), 'two words', ['name: ']),
        (('observations', 1, 'name'), 'tcp', ["two observations bear one name: ['tcp', 'tcp']"]),
        (('observations', 0, 'type'), 'sound', ['sound', 'pose', 'joints', 'image']),
        (('observations', 0, 'components'), ['x', 'jaw'], ["['jaw']", 'valid: x, y, z, yaw']),
        (('observations', 0, 'tolerance_s'), 0, ['tolerance_s: ']),
        # Latencies belong to the robot file: another robot has other ones.
        (('observations', 0, 'latency_s'), 0.1, ["unknown key 'observations.0.pose.latency_s'"]),
    ],
)
def test_a_wrong_description_names_the_key(place, value, words):
    text = fault(place, value)
    assert text.startswith('task.yaml: ')
    assert all(word in text for word in words), text


IMAGE = {'type': 'image', 'name': 'eye', 'width': 320, 'height': 240, 'size': [80, 60]}


def with_image(**changes):
    """The description with an image stream; a value of None removes its key."""
    image = {key: value for key, value in (IMAGE | changes).items() if value is not None}
    return [*DESCRIPTION['observations'], image]


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'width': None}, ["'observations.2.image.width' is missing"]),
        ({'size': None}, ["'observations.2.image.size' is missing"]),
        ({'width': 0}, ['image.width: ', 'greater than 0']),
        ({'size': [0, 60]}, ['size (0, 60) must be at least 1 x 1 pixel']),
        ({'size': [80]}, ['image.size']),
        ({'crop': [0, 0, 321, 240]}, ['crop (0, 0, 321, 240)', 'inside', '320 x 240 pixels']),
        ({'crop': [1, 0, 320, 240]}, ['crop (1, 0, 320, 240)', 'inside']),
        ({'crop': [0, 1, 320, 240]}, ['inside']),
        ({'crop': [-1, 0, 10, 10]}, ['inside']),
        ({'crop': [0, -1, 10, 10]}, ['inside']),
        ({'crop': [10, 10, 0, 10]}, ['inside']),
        ({'crop': [10, 10, 10, 0]}, ['inside']),
        ({'crop': [320, 0, 1, 1]}, ['inside']),
        ({'rate_hz': 0}, ['image.rate_hz: ']),
        ({'tolerance_s': 0}, ['image.tolerance_s: ']),
        ({'topic': '/eye'}, ["unknown key 'observations.2.image.topic'"]),
        ({'name': 'tcp'}, ['two observations bear one name']),
        ({'name': 'my eye'}, ['image.name: ']),
    ],
)
def test_a_wrong_image_stream_names_the_key(changes, words):
    text = fault(('observations',), with_image(**changes))
    assert all(word in text for word in words), text


@given(*[st.integers(-2, 12)] * 4)
@settings(max_examples=200, deadline=None)
def test_a_crop_is_accepted_exactly_when_its_pixels_are_there(left, top, width, height):
    columns, rows = range(left, left + width), range(top, top + height)
    content = with_image(width=10, height=8, crop=[left, top, width, height])
    if columns and rows and set(columns) <= set(range(10)) and set(rows) <= set(range(8)):
        assert task(('observations',), content).cameras[0].box == (left, top, width, height)
    else:
        assert 'inside the frame of 10 x 8 pixels' in fault(('observations',), content)


def test_cameras_and_vectors_are_told_apart_in_the_order_of_the_task():
    images = [with_image()[-1], with_image(name='wrist', crop=[5, 6, 7, 8])[-1]]
    tcp, arm = DESCRIPTION['observations']
    made = task(('observations',), [images[0], tcp, images[1], arm])
    assert [stream.name for stream in made.cameras] == ['eye', 'wrist']
    assert [stream.name for stream in made.vectors] == ['tcp', 'arm']
    assert made.observation_dim == 5  # images do not count
    assert [stream.topic for stream in made.cameras] == [
        '/eye/color/image_raw',
        '/wrist/color/image_raw',
    ]
    assert [stream.box for stream in made.cameras] == [(0, 0, 320, 240), (5, 6, 7, 8)]


def test_a_task_of_images_alone_is_refused():
    content = with_image()[-1:]
    assert 'at least one stream of poses or joints' in fault(('observations',), content)


def test_another_crop_is_another_task():
    one, other = (
        task(('observations',), with_image(crop=[0, 0, width, 240])) for width in (320, 300)
    )
    assert one.difference(other) == 'observations[2].crop[2]: 320 against 300'


@pytest.mark.parametrize(
    ('horizons', 'words'),
    [
        ((2, 8, 8, -1), 'has only 7 actions from now on, fewer than action 8'),
        ((2, 16, 17, 0), 'has only 16 actions from now on, fewer than action 17'),
        ((2, 16, 8, -2), 'first -2 lies before the window of 2 steps'),
        ((1, 16, 8, -1), 'first -1 lies before the window of 1 steps'),
        ((2, 16, 8, 1), 'horizons.first'),
    ],
)
def test_horizons_that_do_not_fit_are_refused(horizons, words):
    names = ('observation', 'prediction', 'action', 'first')
    assert words in fault(('horizons',), dict(zip(names, horizons, strict=True)))


@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 20), st.integers(-6, 0))
@settings(max_examples=100, deadline=None)
def test_horizons_are_accepted_exactly_when_the_actions_are_there(seen, predicted, played, first):
    content = {'observation': seen, 'prediction': predicted, 'action': played, 'first': first}
    steps = range(first, first + predicted)
    if first >= -(seen - 1) and set(range(played)) <= set(steps):
        assert steps[task(('horizons',), content).horizons.now] == 0
    else:
        fault(('horizons',), content)


@pytest.mark.parametrize(
    ('components', 'fixed'),
    [
        (['x', 'y'], {'z': 0, 'rx': 0, 'ry': 0}),  # rz is missing
        (['x', 'y', 'z'], {'z': 0, 'rx': 0, 'ry': 0, 'rz': 0}),  # z twice
        (['x', 'x', 'y'], {'z': 0, 'rx': 0, 'ry': 0, 'rz': 0}),
        (['x', 'y', 'yaw'], {'z': 0, 'rx': 0, 'ry': 0, 'rz': 0}),
    ],
)
def test_an_action_that_is_no_whole_pose_is_refused(components, fixed):
    content = {'space': 'cartesian', 'components': components, 'fixed': fixed}
    assert 'must name each of' in fault(('action',), content)


@pytest.mark.parametrize(
    ('place', 'value', 'difference'),
    [
        (('rate_hz',), 5, 'rate_hz: 10.0 against 5.0'),
        (('horizons', 'action'), 4, 'horizons.action: 8 against 4'),
        (('action', 'fixed', 'z'), 0.02, 'action.fixed.z: 0.01 against 0.02'),
        (('action', 'components'), ['y', 'x'], "action.components[0]: 'x' against 'y'"),
        (
            ('observations', 0, 'components'),
            ['x'],
            "observations[0].components: ('x', 'y') against ('x',)",
        ),
        (
            ('observations', 1, 'topic'),
            '/js',
            "observations[1].topic: '/joint_states' against '/js'",
        ),
    ],
)
def test_a_difference_names_the_field_and_both_values(place, value, difference):
    assert task().difference(task(place, value)) == difference
    assert task().difference(task()) is None
    left, right = difference.split(': ')[1].split(' against ')
    assert f'{right} against {left}' in task(place, value).difference(task())


def test_a_missing_stream_and_another_action_space_are_differences():
    shorter = task(('observations',), DESCRIPTION['observations'][:1])
    assert task().difference(shorter).startswith('observations: ')
    joint = task(('action',), {'space': 'joint', 'components': ['a']})
    assert task().difference(joint) == "action.space: 'cartesian' against 'joint'"
    assert (
        task(('action', 'fixed'), dict(reversed(DESCRIPTION['action']['fixed'].items()))) == task()
    )


def test_sizes_and_vectors_are_in_the_order_of_the_task():
    made = task()
    assert (made.period_ns, made.observation_dim, made.action_dim) == (100_000_000, 5, 2)
    poses = np.tile([0.1, 0.2, 0.3, 0, 0, 0, 1], (2, 1))
    vector = made.vector({'arm': np.arange(6.0).reshape(2, 3), 'tcp': poses})
    assert vector.tolist() == [[0.1, 0.2, 0, 1, 2], [0.1, 0.2, 3, 4, 5]]


ALL = ('x', 'y', 'z', 'yaw', 'rx', 'ry', 'rz', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6')


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(ALL), min_size=1, max_size=13))
@settings(max_examples=50, deadline=None)
def test_components_of_a_pose_are_those_of_scipy(seed, names):
    rng = np.random.default_rng(seed)
    turned = Rotation.random(4, random_state=rng)
    poses = np.concatenate([rng.uniform(-1, 1, (4, 3)), turned.as_quat()], axis=1)
    matrix = turned.as_matrix()
    expected = dict(
        zip(
            ALL,
            [
                *poses[:, :3].T,
                np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]),
                *turned.as_rotvec().T,
                *matrix[:, :, 0].T,
                *matrix[:, :, 1].T,
            ],
            strict=True,
        )
    )
    result = pose_components(poses, tuple(names))
    np.testing.assert_allclose(result, np.stack([expected[n] for n in names], 1), atol=1e-9)


ARMS = {'left': ['a', 'grip'], 'right': ['c', 'b']}


def two_arms(**changes):
    action = {'space': 'joint', 'components': ['a', 'b', 'c', 'grip'], 'arms': ARMS}
    return task(['action'], {**action, 'discrete': ['grip'], **changes})


def test_each_component_of_several_arms_belongs_to_one_of_them():
    action = two_arms().action
    assert action.parts == {'left': Part((0,), (3,)), 'right': Part((2, 1), ())}
    alone = task(['action'], {'space': 'joint', 'components': ['a', 'b']}).action
    assert alone.parts == {}
    # A description of one arm is written, and so identified, as before there were several.
    assert alone.model_dump() == {'space': 'joint', 'components': ('a', 'b')}


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            {'arms': {**ARMS, 'right': ['b']}},
            'Components, in order: a, b, c, grip. Arms: left: a,',
        ),
        ({'arms': {**ARMS, 'right': ['a', 'b', 'c']}}, 'each component to one arm'),
        ({'arms': {**ARMS, 'right': ['b', 'c', 'd']}}, 'right: b, c, d'),
        ({'discrete': ['hand']}, "discrete names ['hand'], which components lacks: a, b, c, grip"),
        ({'discrete': ['b', 'c']}, "arm 'right' has no joint"),
        ({'components': ['a', 'b', 'b', 'c']}, 'components name one twice: a, b, b, c'),
        ({'arms': {}}, 'say in arms which, as in arm: [a, b, c, grip]'),
    ],
)
def test_arms_that_do_not_share_the_components_are_refused(changes, words):
    with pytest.raises(ConfigError) as caught:
        two_arms(**changes)
    assert words in str(caught.value)


def test_other_arms_are_another_task():
    swapped = two_arms(arms={'left': ['a', 'grip'], 'right': ['b', 'c']})
    assert two_arms().difference(swapped) == "action.arms.right[0]: 'c' against 'b'"


SIX = ('r1', 'r2', 'r3', 'r4', 'r5', 'r6')


def test_six_numbers_turn_a_tool_that_points_down_without_a_leap():
    """Where the rotation vector changes its sign with every jitter."""
    from scipy.spatial.transform import Rotation

    action = yamlfile.parse(
        CartesianAction, {'space': 'cartesian', 'components': ['x', 'y', 'z', *SIX]}, 'test'
    )
    assert action.free_axes == (True,) * 6
    jitter = np.random.default_rng(0).normal(0, 0.02, (200, 3))
    down = Rotation.from_rotvec(jitter) * Rotation.from_rotvec([np.pi, 0, 0])
    poses = np.hstack([np.full((200, 3), 0.2), down.as_quat()])
    given = action.actions(poses)
    assert np.abs(np.diff(given, axis=0)).max() < 0.2
    found = Rotation.from_quat(action.poses(given)[:, 3:])
    assert (found * down.inv()).magnitude().max() < 1e-6
    # Half way between two of them lies a rotation between both.
    middle = Rotation.from_quat(action.poses((given[:-1] + given[1:]) / 2)[:, 3:])
    assert (middle * down[:-1].inv()).magnitude().max() < 0.2


@pytest.mark.parametrize(
    ('components', 'fixed'),
    [
        (['x', 'y', 'z', *SIX[:5]], {}),
        (['x', 'y', *SIX], {'z': 0, 'rx': 0}),
        (['x', 'y', 'z', *SIX[:5]], {'r6': 0}),
    ],
)
def test_six_numbers_are_given_whole_or_not_at_all(components, fixed):
    with pytest.raises(yamlfile.ConfigError, match='in the place of rx, ry and rz'):
        yamlfile.parse(
            CartesianAction,
            {'space': 'cartesian', 'components': components, 'fixed': fixed},
            'test',
        )


def test_actions_become_whole_poses():
    actions = np.array([[[0.1, 0.2], [0.3, 0.4]]])
    poses = task().action.poses(actions)
    assert poses.shape == (1, 2, 7)
    np.testing.assert_array_equal(poses[..., :2], actions)
    np.testing.assert_array_equal(poses[..., 2], 0.01)
    turned = Rotation.from_quat(poses.reshape(-1, 7)[:, 3:]).as_rotvec()
    np.testing.assert_allclose(turned, [[3.1, 0, 0]] * 2, atol=1e-12)


def test_a_person_may_move_what_is_not_fixed():
    made = task()
    assert made.action.free_axes == (True, True, False, False, False, False)
    assert made.teleoperated_axes == made.action.free_axes
    joint = task(('action',), {'space': 'joint', 'components': ['a']})
    with pytest.raises(ValueError, match=r"'push' has joint actions.*needs.*space: cartesian"):
        joint.teleoperated_axes  # noqa: B018


@given(
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3),
    st.permutations(['x', 'y', 'z', 'rx', 'ry', 'rz']),
    st.integers(1, 6),
)
def test_actions_become_poses_and_actions_again(position, vector, names, count):
    """Rotation vectors shorter than pi are the shortest of their rotation."""
    known = dict(zip(('x', 'y', 'z', 'rx', 'ry', 'rz'), [*position, *vector], strict=True))
    fixed = {name: known[name] for name in names[count:]}
    action = CartesianAction(space='cartesian', components=names[:count], fixed=fixed)
    given_actions = np.array([[known[name] for name in names[:count]]] * 2)
    poses = action.poses(given_actions)
    assert poses.shape == (2, 7)
    np.testing.assert_allclose(action.actions(poses), given_actions, atol=1e-9)
    turned = Rotation.from_rotvec(vector) * Rotation.from_quat(poses[0, 3:]).inv()
    assert turned.magnitude() < 1e-7
    np.testing.assert_allclose(poses[0, :3], position, atol=0)
