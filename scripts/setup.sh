#!/usr/bin/env bash
# Makes .venv with everything that dp_ros needs, and does nothing where that is done already.
#
#   PYTHON=python3.12 scripts/setup.sh     to choose the interpreter (3.10, 3.11 or 3.12)
#
# ROS 2 comes from the sourced installation if there is one, else from PyPI's wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps ldconfig

venv=.venv
stamp=$venv/.installed

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# All that the installation depends on: the same print, the same environment.
fingerprint() {
    {
        cat constraints.txt setup.py setup.cfg package.xml scripts/setup.sh
        printf '%s\n' "$PWD" "${PYTHON:-}" "${ROS_DISTRO:-}" "${AMENT_PREFIX_PATH:+sourced}"
    } | sha256sum
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
supported() { [[ $1 == 3.10 || $1 == 3.11 || $1 == 3.12 ]]; }
has_ros() { [[ -n ${ROS_DISTRO:-} ]] && "$1" -c 'import rclpy' 2>/dev/null; }

# Sets python: PYTHON if given, else the first that is supported, preferring one that has ROS 2.
choose_python() {
    local candidate version first=
    if [[ -n ${PYTHON:-} ]]; then
        version=$(version_of "$PYTHON") || fail "PYTHON=$PYTHON does not run."
        supported "$version" || refuse "$version"
        python=$PYTHON
        return
    fi
    for candidate in python3 python3.12 python3.11 python3.10 /usr/bin/python3; do
        version=$(version_of "$candidate") && supported "$version" || continue
        first=${first:-$candidate}
        [[ -z ${ROS_DISTRO:-} ]] && break
        has_ros "$candidate" && first=$candidate && break
    done
    [[ -n $first ]] || refuse "$(version_of python3 || echo '(none)')"
    python=$first
}

refuse() {
    fail "Python $1 cannot run dp_ros: it needs 3.10, 3.11 or 3.12, since ur_rtde, the arm's" \
        "driver, has no wheel beyond 3.12. Install one of these and name it:" \
        "make setup PYTHON=python3.12"
}

# Sets ros: 'system' or 'wheels'.
choose_ros() {
    if has_ros "$python"; then
        ros=system
    elif [[ -n ${ROS_DISTRO:-} && -n ${AMENT_PREFIX_PATH:-} ]]; then
        fail "ROS 2 $ROS_DISTRO is sourced, but $python cannot import its rclpy. Name the Python" \
            "that ROS was built for (PYTHON=/usr/bin/python3), or use a shell without ROS: then" \
            "ROS 2 comes from PyPI."
    else
        ros=wheels
    fi
}

# Libraries that the wheels expect from the system: off-screen rendering of the cell (OSMesa), what
# OpenCV is linked with (GL, GLib), and what pyrealsense2 does not load without (libusb).
install_system_packages() {
    local libraries packages=() root=()
    libraries=$(ldconfig -p)
    [[ $libraries == *libOSMesa.so* ]] || packages+=(libosmesa6)
    [[ $libraries == *libGL.so.1* ]] || packages+=(libgl1)
    [[ $libraries == *libgthread-2.0.so.0* ]] || packages+=(libglib2.0-0)
    [[ $libraries == *libusb-1.0.so.0* ]] || packages+=(libusb-1.0-0)
    "$python" -c 'import ensurepip' 2>/dev/null || packages+=("python$(version_of "$python")-venv")
    ((${#packages[@]})) || return 0

    local command="apt-get install ${packages[*]}"
    command -v apt-get >/dev/null ||
        fail "This system lacks ${packages[*]} (Debian's names) and has no apt-get: install them."
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null ||
            fail "This system lacks ${packages[*]}, and installing them needs root, but there is" \
                "no sudo. Ask an administrator to run: $command"
        root=(sudo)
    fi
    say "Installing from the system's packages: ${packages[*]}."
    export DEBIAN_FRONTEND=noninteractive
    ${root[@]+"${root[@]}"} apt-get update -qq
    ${root[@]+"${root[@]}"} apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

# An environment of the same Python and the same ROS is kept and brought up to date.
make_environment() {
    local system=false options=()
    [[ $ros == system ]] && system=true options=(--system-site-packages)
    local where='import sys; print(sys.base_prefix)'
    if [[ $("$venv/bin/python" -c "$where" 2>/dev/null) == "$("$python" -c "$where")" ]] &&
        grep -qx "include-system-site-packages = $system" "$venv/pyvenv.cfg"; then
        say "Bringing the environment $venv up to date."
        return
    fi
    say "Making the environment $venv with Python $(version_of "$python")."
    "$python" -m venv --clear ${options[@]+"${options[@]}"} "$venv"
}

install_packages() {
    local extras=pusht,gamepad,spacemouse,test
    if [[ $ros == wheels ]]; then
        extras=ros,$extras
        say 'Installing dp_ros and its libraries, ROS 2 from PyPI among them. The first time this' \
            'takes some minutes.'
    else
        say "Installing dp_ros and its libraries beside ROS 2 $ROS_DISTRO. The first time this" \
            'takes some minutes.'
    fi
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check)
    "${pip[@]}" install --quiet -c constraints.txt pip setuptools
    # Wheels only, so that nothing is compiled; empy and easyhid, pure Python, have none.
    "${pip[@]}" install --only-binary=:all: --no-binary=empy,easyhid --no-build-isolation \
        -c constraints.txt -e ".[$extras]"
}

wanted=$(fingerprint)
[[ -f $stamp && $(<"$stamp") == "$wanted" ]] && exit 0

choose_python
choose_ros
install_system_packages
make_environment
rm -f "$stamp" # a failed or interrupted installation leaves none
install_packages
printf '%s\n' "$wanted" >"$stamp"
say "Done: $venv is complete."
