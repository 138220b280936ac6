"""The package as a ROS workspace sees it: built by colcon, and declared in full."""

import ast
import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import dp_ros

ROOT = Path(__file__).resolve().parents[2]
SETUP = ast.parse((ROOT / 'setup.py').read_text())
MANIFEST = ET.parse(ROOT / 'package.xml').getroot()

# Import names of libraries whose package is called otherwise.
PACKAGE_OF = {
    'cv2': 'opencv-python',
    'gym_pusht': 'gym-pusht',
    'rtde_control': 'ur-rtde',
    'rtde_receive': 'ur-rtde',
    'dashboard_client': 'ur-rtde',
    'rerun': 'rerun-sdk',
    'ruamel': 'ruamel.yaml',
    'ur_analytic_ik': 'ur-analytic-ik',
    'yaml': 'PyYAML',
}
# ROS packages that PyPI lacks; the code does without them there (and without launch files).
WITHOUT_WHEEL = {'launch', 'launch_ros', 'message_filters'}


def setup_argument(name):
    """The value that setup.py passes to setup(); it must be written out."""
    for node in ast.walk(SETUP):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
    raise KeyError(name)


def console_scripts():
    return setup_argument('entry_points')['console_scripts']


def requirement_names(requirements):
    return {re.split(r'[\[<>=;~! ]', r)[0].lower().replace('_', '-') for r in requirements}


def tracked_files():
    """Every file of the checkout, committed or not, that git does not ignore."""
    command = ['git', 'ls-files', '-co', '--exclude-standard', '-z']
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.split('\0') if path and (ROOT / path).is_file()]


def imported_modules():
    """Top-level names that dp_ros imports, at any depth of the code."""
    for path in (ROOT / 'dp_ros').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.split('.')[0]


@pytest.fixture
def workspace(tmp_path):
    """A ROS workspace with a copy of this package in src/."""
    for name in tracked_files():
        target = tmp_path / 'src' / 'dp_ros' / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return tmp_path


def colcon(workspace, *arguments):
    """colcon of this environment; fails with its output."""
    program = Path(sys.prefix) / 'bin' / 'colcon'
    environment = os.environ | {'COLCON_HOME': str(workspace / '.colcon')}
    environment.pop('PYTHONWARNINGS', None)
    done = subprocess.run(
        [sys.executable, program, *arguments],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_colcon_takes_it_for_an_ament_python_package(workspace):
    assert colcon(workspace, 'list').split() == ['dp_ros', 'src/dp_ros', '(ros.ament_python)']


def test_colcon_build_installs_what_ros_looks_for(workspace):
    colcon(workspace, 'build')
    installed = workspace / 'install' / 'dp_ros'

    share = installed / 'share'
    assert (share / 'ament_index/resource_index/packages/dp_ros').is_file()
    assert (share / 'dp_ros/package.xml').is_file()
    shipped = [
        name
        for name in tracked_files()
        if name.startswith(('config/', 'models/')) or name.endswith('.launch.py')
    ]
    assert 'config/fastdds.xml' in shipped
    missing = [name for name in shipped if not (share / 'dp_ros' / name).is_file()]
    assert not missing

    # `ros2 run dp_ros NAME` and launch files look here.
    programs = {path.name for path in (installed / 'lib/dp_ros').iterdir()}
    assert programs == {entry.split(' = ')[0] for entry in console_scripts()}
    assert {'dp-ros', 'sim', 'policy', 'executor', 'rollout'} <= programs
    assert all(os.access(installed / 'lib/dp_ros' / name, os.X_OK) for name in programs)


def test_the_environment_has_the_command_line_program():
    assert (Path(sys.prefix) / 'bin' / 'dp-ros').is_file()


def test_every_entry_point_leads_to_a_function():
    for entry in console_scripts():
        module, function = entry.split(' = ')[1].split(':')
        path = ROOT.joinpath(*module.split('.')).with_suffix('.py')
        assert path.is_file(), f'{entry}: there is no {path}'
        defined = {
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert function in defined, f'{entry}: {path.name} has no function {function}'


def test_the_manifest_is_format_3_and_valid():
    from catkin_pkg.package import parse_package

    package = parse_package(str(ROOT / 'package.xml'))
    package.validate()
    assert package.package_format == 3
    assert package.get_build_type() == 'ament_python'


def test_one_version_everywhere():
    versions = {
        'package.xml': MANIFEST.findtext('version'),
        'setup.py': setup_argument('version'),
        'dp_ros/__init__.py': dp_ros.__version__,
        'environment': importlib.metadata.version('dp_ros'),
    }
    assert len(set(versions.values())) == 1, versions


def test_all_that_the_code_imports_is_declared():
    from_ros = {node.text for node in MANIFEST.iter('exec_depend')}
    extras = setup_argument('extras_require')
    wheels = {name.removeprefix('ros-') for name in requirement_names(extras['ros'])}
    optional = itertools.chain(*(extras[name] for name in extras.keys() - {'ros', 'test'}))
    libraries = requirement_names([*setup_argument('install_requires'), *optional])
    for module in set(imported_modules()) - set(sys.stdlib_module_names) - {'dp_ros'}:
        if module in from_ros & WITHOUT_WHEEL:
            continue
        if module in from_ros:
            assert module.replace('_', '-') in wheels, f'{module} is missing from the extra ros'
        else:
            name = PACKAGE_OF.get(module, module).lower().replace('_', '-')
            assert name in libraries, f'{module} stands neither in setup.py nor in package.xml'


def test_every_requirement_has_its_version_fixed():
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    fixed = [line for line in lines if line and not line.startswith('#')]
    assert all('==' in line for line in fixed)
    extras = itertools.chain(*setup_argument('extras_require').values())
    wanted = [*setup_argument('install_requires'), *extras]
    missing = requirement_names(wanted) - requirement_names(fixed)
    assert not missing
