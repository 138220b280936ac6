"""scripts/setup.sh, with stand-ins for python, pip and apt-get that log what is asked of them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHON = """#!/bin/bash
# A Python {version} in name: it answers the questions of setup.sh and makes empty environments.
echo "python $*" >> "{log}"
case "$*" in
    *version_info*) echo {version} ;;
    *base_prefix*) echo /opt/python-{version} ;;
    *'import rclpy'*) exit {rclpy_missing} ;;
    *'import ensurepip'*) exit 0 ;;
    '-m venv'*)
        folder="${{@: -1}}"
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python"
        [[ $* == *--system* ]] && system=true || system=false
        echo "include-system-site-packages = $system" > "$folder/pyvenv.cfg" ;;
    '-m pip'*) [[ $* != *' -e '* || ! -e "{log}.fail" ]] ;;
esac
"""

LIBRARIES = 'libOSMesa.so.8 libGL.so.1 libgthread-2.0.so.0 libusb-1.0.so.0'


class Machine:
    """A checkout and a PATH that hold only what setup.sh may use."""

    def __init__(self, folder):
        self.checkout = folder / 'checkout'
        self.programs = folder / 'bin'
        self.log = folder / 'log'
        for name in ('constraints.txt', 'setup.py', 'setup.cfg', 'package.xml'):
            self.checkout.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.checkout)
        (self.checkout / 'scripts').mkdir()
        shutil.copy(ROOT / 'scripts/setup.sh', self.checkout / 'scripts')
        self.programs.mkdir()
        for name in ('bash', 'cat', 'cp', 'dirname', 'grep', 'mkdir', 'rm', 'sha256sum'):
            (self.programs / name).symlink_to(shutil.which(name))
        self.has('ldconfig', f'echo "{LIBRARIES}"')
        self.has('id', 'echo 0')
        self.has('apt-get', f'echo "apt-get $*" >> "{self.log}"')
        self.has_python('python3', '3.11')

    def has(self, name, body):
        program = self.programs / name
        program.unlink(missing_ok=True)
        program.write_text(body if body.startswith('#!') else f'#!/bin/bash\n{body}\n')
        program.chmod(0o755)

    def has_python(self, name, version, rclpy=False):
        self.has(name, PYTHON.format(version=version, log=self.log, rclpy_missing=int(not rclpy)))

    def setup(self, **variables):
        # setup.sh adds the folders of the system's own programs, where the real apt-get is not.
        environment = {'PATH': str(self.programs)} | variables
        return subprocess.run(
            [self.programs / 'bash', self.checkout / 'scripts/setup.sh'],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def asked(self):
        text = self.log.read_text() if self.log.exists() else ''
        self.log.unlink(missing_ok=True)
        return text


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize('version', ['3.9', '3.13'])
def test_another_python_is_refused_in_a_sentence(machine, version):
    machine.has_python('other', version)
    done = machine.setup(PYTHON='other')
    assert done.returncode == 1
    assert f'Python {version} cannot run dp_ros: it needs 3.10, 3.11 or 3.12' in done.stderr
    assert 'ur_rtde' in done.stderr
    assert not (machine.checkout / '.venv').exists()


def test_a_python_that_does_not_run_is_named(machine):
    done = machine.setup(PYTHON='python9')
    assert done.returncode == 1
    assert done.stderr == 'setup: PYTHON=python9 does not run.\n'


def test_a_supported_python_is_found_beside_an_unsupported_one(machine):
    machine.has_python('python3', '3.13')
    machine.has_python('python3.12', '3.12')
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert 'Making the environment .venv with Python 3.12.' in done.stdout


@pytest.mark.parametrize('version', ['3.10', '3.11', '3.12'])
def test_it_installs_everything_at_the_fixed_versions(machine, version):
    machine.has_python('python3', version)
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    asked = machine.asked()
    assert '-c constraints.txt -e .[ros,pusht,gamepad,spacemouse,test]' in asked
    assert '--system-site-packages' not in asked
    assert 'apt-get' not in asked


def test_the_second_run_does_nothing(machine):
    machine.setup()
    machine.asked()
    again = machine.setup()
    assert (again.returncode, again.stdout, machine.asked()) == (0, '', '')


@pytest.mark.parametrize('name', ['constraints.txt', 'setup.py'])
def test_a_change_of_the_requirements_installs_again_in_place(machine, name):
    machine.setup()
    machine.asked()
    with (machine.checkout / name).open('a') as file:
        file.write('# changed\n')
    done = machine.setup()
    assert 'Bringing the environment .venv up to date.' in done.stdout
    asked = machine.asked()
    assert '-m pip' in asked
    assert '-m venv' not in asked


def test_another_python_makes_the_environment_anew(machine):
    machine.setup()
    machine.has_python('python3.12', '3.12')
    done = machine.setup(PYTHON='python3.12')
    assert 'Making the environment .venv with Python 3.12.' in done.stdout


def test_a_failed_installation_is_not_taken_for_a_finished_one(machine):
    machine.log.with_name('log.fail').touch()
    assert machine.setup().returncode != 0
    machine.log.with_name('log.fail').unlink()
    machine.asked()
    done = machine.setup()
    assert done.returncode == 0
    assert '-m pip' in machine.asked()


def test_a_failed_update_is_not_taken_for_a_finished_one(machine):
    machine.setup()
    original = (machine.checkout / 'setup.py').read_text()
    (machine.checkout / 'setup.py').write_text(original + '# changed\n')
    machine.log.with_name('log.fail').touch()
    assert machine.setup().returncode != 0
    machine.log.with_name('log.fail').unlink()
    (machine.checkout / 'setup.py').write_text(original)
    machine.asked()
    machine.setup()
    assert '-m pip' in machine.asked()


def test_a_sourced_ros_is_used(machine):
    machine.has_python('python3', '3.12', rclpy=True)
    done = machine.setup(ROS_DISTRO='jazzy', AMENT_PREFIX_PATH='/opt/ros/jazzy')
    assert done.returncode == 0, done.stderr
    asked = machine.asked()
    assert '-m venv --clear --system-site-packages .venv' in asked
    assert '-e .[pusht,gamepad,spacemouse,test]' in asked
    assert 'beside ROS 2 jazzy' in done.stdout


def test_a_sourced_ros_of_another_python_is_refused(machine):
    done = machine.setup(ROS_DISTRO='jazzy', AMENT_PREFIX_PATH='/opt/ros/jazzy')
    assert done.returncode == 1
    assert 'ROS 2 jazzy is sourced, but python3 cannot import its rclpy' in done.stderr


def test_missing_libraries_come_from_apt(machine):
    machine.has('ldconfig', 'echo libGL.so.1')
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert 'libosmesa6 libglib2.0-0 libusb-1.0-0.' in done.stdout
    asked = machine.asked()
    assert 'apt-get update' in asked
    assert 'libosmesa6 libglib2.0-0 libusb-1.0-0' in asked


def test_a_user_without_root_uses_sudo(machine):
    machine.has('ldconfig', 'echo nothing')
    machine.has('id', 'echo 1000')
    machine.has('sudo', f'echo "sudo $*" >> "{machine.log}"')
    assert machine.setup().returncode == 0
    assert 'sudo apt-get install' in machine.asked()


@pytest.mark.skipif(
    any(os.access(f'{folder}/sudo', os.X_OK) for folder in ('/usr/sbin', '/sbin')),
    reason='this machine keeps sudo where setup.sh looks for ldconfig',
)
def test_without_root_and_sudo_it_says_what_to_ask_for(machine):
    machine.has('ldconfig', 'echo nothing')
    machine.has('id', 'echo 1000')
    done = machine.setup()
    assert done.returncode == 1
    assert 'Ask an administrator to run: apt-get install libosmesa6 libgl1' in done.stderr
    assert not (machine.checkout / '.venv').exists()
