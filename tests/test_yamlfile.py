"""Settings from YAML: what is wrong is named, with what was expected."""

from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from dp_ros import yamlfile
from dp_ros.yamlfile import ConfigError, Settings


class Lens(Settings):
    kind: Literal['lens']
    focal_mm: float = 35.0


class Pinhole(Settings):
    kind: Literal['pinhole']
    diameter_mm: float = 0.5


class Camera(Settings):
    name: str
    optics: Annotated[Lens | Pinhole, Field(discriminator='kind')]
    size: tuple[int, int] = (640, 480)


class Rig(Settings):
    cameras: tuple[Camera, ...] = ()
    main: Camera | None = None
    note: str = ''
    offsets: dict[str, float] = Field(default_factory=dict)


few = settings(max_examples=50, deadline=None)
lens = {'kind': 'lens'}


def fault(content):
    with pytest.raises(ConfigError) as caught:
        yamlfile.parse(Rig, content, 'rig.yaml')
    return str(caught.value)


@pytest.mark.parametrize(
    ('content', 'key', 'nearest'),
    [
        ({'camera': []}, 'camera', 'cameras'),
        ({'nots': 'x'}, 'nots', 'note'),
        ({'main': {'name': 'a', 'optics': lens, 'sise': [1, 2]}}, 'main.sise', 'size'),
        ({'cameras': [{'name': 'a', 'optic': lens}]}, 'cameras.0.optic', 'optics'),
        (
            {'cameras': [{'name': 'a', 'optics': {'kind': 'lens', 'focal_m': 3}}]},
            'cameras.0.optics.lens.focal_m',
            'focal_mm',
        ),
        (
            {'main': {'name': 'a', 'optics': {'kind': 'pinhole', 'diametre_mm': 3}}},
            'main.optics.pinhole.diametre_mm',
            'diameter_mm',
        ),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_valid_one(content, key, nearest):
    assert f"rig.yaml: unknown key '{key}'; did you mean '{nearest}'?" in fault(content)


def test_a_key_like_no_other_gets_the_list_of_all_once_each():
    text = fault({'main': {'name': 'a', 'optics': lens, 'zzz': 1}})
    assert "unknown key 'main.zzz'; valid keys: name, optics, size" in text
    text = fault({'main': {'name': 'a', 'optics': {'kind': 'lens', 'zzz': 1}}})
    assert text.count('kind') == 1


def test_every_fault_has_its_line():
    text = fault({'main': {'optics': lens, 'size': ['wide', 2]}, 'notes': ''})
    lines = text.splitlines()
    assert len(lines) == 3
    assert all(line.startswith('rig.yaml: ') for line in lines)
    assert "key 'main.name' is missing" in text
    assert 'main.size.0: ' in text
    assert "(found 'wide')" in text


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ({'note': ['a']}, ['note: ', "found ['a']"]),
        ({'cameras': 3}, ['cameras: ', 'found 3']),
        ({'main': {'name': 'a', 'optics': {'kind': 'mirror'}}}, ['main.optics', 'mirror', 'lens']),
        ({'main': {'name': 'a', 'optics': {}}}, ['main.optics', 'kind']),
        ({'offsets': {'a': float('nan')}}, ['offsets.a', 'finite']),
        ({'offsets': {'a': float('inf')}}, ['offsets.a', 'finite']),
        ({1: 2}, ['rig.yaml: ']),
        (None, ['expected a mapping of keys, found NoneType']),
        ([1], ['expected a mapping of keys, found list']),
    ],
)
def test_wrong_values_are_named_and_shown(content, words):
    text = fault(content)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('a: [1', 'not readable as YAML'),
        ('!!python/object/apply:os.getcwd []', 'not readable as YAML'),
        (b'\xff\xfe\x00', 'not readable as YAML'),
        ('', 'found NoneType'),
    ],
)
def test_a_file_that_is_no_settings_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / 'rig.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=words) as caught:
        yamlfile.load(Rig, path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r'none\.yaml: no such file'):
        yamlfile.load(Rig, tmp_path / 'none.yaml')
    with pytest.raises(ConfigError, match='not readable'):
        yamlfile.load(Rig, tmp_path)


def test_settings_cannot_be_changed():
    rig = Rig(note='a')
    with pytest.raises(ValidationError, match='frozen'):
        rig.note = 'b'


# Control characters apart: PyYAML folds a NEL (\x85) into a space.
texts = st.text(st.characters(exclude_categories=['C', 'Zl', 'Zp']), max_size=20)
cameras = st.builds(
    Camera,
    name=texts,
    optics=st.builds(Lens, kind=st.just('lens'), focal_mm=st.floats(-1e300, 1e300))
    | st.builds(Pinhole, kind=st.just('pinhole'), diameter_mm=st.floats(0, 1e-300)),
    size=st.tuples(st.integers(), st.integers()),
)
rigs = st.builds(
    Rig,
    cameras=st.lists(cameras, max_size=3).map(tuple),
    main=st.none() | cameras,
    note=texts,
    offsets=st.dictionaries(texts, st.floats(-1e9, 1e9), max_size=3),
)


@given(rigs)
@few
def test_what_is_dumped_is_read_back_equal(rig):
    assert yamlfile.parse(Rig, yaml.safe_load(yamlfile.dump(rig)), 'again') == rig


def test_a_dumped_file_is_read_back_equal(tmp_path):
    rig = Rig(note='Größe: 3 # no comment\nyes', offsets={'on': 1e-7})
    path = tmp_path / 'rig.yaml'
    path.write_text(yamlfile.dump(rig), encoding='utf-8')
    assert yamlfile.load(Rig, path) == rig
