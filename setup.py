"""The ament_python package: what is installed where, and what it needs.

Every requirement is stated once, by its role; the exact versions stand in constraints.txt. The ROS
packages that a sourced ROS 2 provides are listed in package.xml; the extra `ros` is the same set
from the wheels on PyPI, for machines without one.
"""

import itertools
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'dp_ros'


def shared(*patterns):
    """(destination under share/, files) of everything that matches, folder by folder."""
    found = sorted(path for pattern in patterns for path in Path().glob(pattern) if path.is_file())
    return [
        (f'share/{NAME}/{folder}', [str(path) for path in files])
        for folder, files in itertools.groupby(found, lambda path: path.parent)
    ]


setup(
    name=NAME,
    version='0.1.0',
    description='Runs a Diffusion Policy on a real arm through ROS 2.',
    license='Apache-2.0',
    maintainer='The dp_ros authors',
    maintainer_email='dp_ros@example.com',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared('launch/*.launch.py', 'config/**/*', 'models/*/*'),
    ],
    zip_safe=False,
    python_requires='>=3.10,<3.13',
    install_requires=[
        # the command stream: jerk-limited motion
        'ruckig',
        # learning
        'numpy',
        'onnx',
        'onnxruntime',
        'onnxscript',
        'safetensors',
        'tensorboard',
        'torch',
        'torchvision',
        # data and configuration
        'pydantic',
        'PyYAML',
        'numcodecs',  # decodes single frames of a store, five times faster than through zarr
        'zarr',
        'ruamel.yaml',  # writes into a robot file and keeps its comments
        # bags: written and read without ROS; mcap reads what a killed recorder left
        'mcap',
        'rosbags',
        # the arm and its stand-in
        'mujoco',
        'shapely',
        'ur-rtde',
        # cameras: webcams and the resampling of every frame; RealSense
        'opencv-python',
        'pyrealsense2',
        # the command line and what it draws
        'av',
        'matplotlib',
        'rich',
        'typer',
        # intervals of the benchmarks' rates; k-means
        'scipy',
    ],
    extras_require={
        'ros': [
            'ros-rclpy[fastrtps]',
            'ros-builtin-interfaces',
            'ros-diagnostic-msgs',
            'ros-geometry-msgs',
            'ros-lifecycle-msgs',
            'ros-rcl-interfaces',
            'ros-rosgraph-msgs',
            'ros-sensor-msgs',
            'ros-std-msgs',
            'ros-std-srvs',
            'ros-trajectory-msgs',
        ],
        # LeRobot's tables. Too heavy (55 MB) for those who do not exchange data sets with it.
        'lerobot': ['pyarrow'],
        # UMI's frames are JPEG XL.
        'umi': ['imagecodecs'],
        # The benchmark environment. It needs pymunk's old collision handlers.
        'pusht': ['gym-pusht', 'pymunk<7'],
        # Input devices for teleoperation, read without ROS packages of their own.
        'gamepad': ['pygame'],
        'spacemouse': ['pyspacemouse>=2.1'],  # and the system's libhidapi-hidraw0
        # The digits of examples/.
        'examples': ['scikit-learn'],
        # Writes episodes for its viewer (dataset show --rerun); 170 MB.
        'rerun': ['rerun-sdk'],
        # Chunks in 0.7 of the time on most x86 cores (device: openvino); 180 MB.
        'openvino': ['openvino'],
        # Data sets built by the machines of a cluster (dataset build --ray); 270 MB.
        'ray': ['ray'],
        'test': [
            'hypothesis',
            'import-linter',
            'mypy',
            'pytest',
            'pytest-rerunfailures',  # whole graphs share two noisy cores: one more try
            'pytest-timeout',
            'pytest-xdist',
            'ruff',
            'types-PyYAML',
            # oracles: what our own code is compared with
            'diffusers',
            'ur-analytic-ik; python_version < "3.12"',
            # the digits of examples/
            'scikit-learn',
            # the other runtime of exported graphs
            'openvino',
            # both directions of the exchange of data sets
            'imagecodecs',
            'pyarrow',
            # builds the package as a ROS workspace does
            'colcon-core',
            'colcon-library-path',
            'colcon-package-information',
            'colcon-python-setup-py',
            'colcon-ros',
        ],
    },
    entry_points={
        'console_scripts': [
            'dp-ros = dp_ros.cli.program:main',
            'calibrate_servo = dp_ros.nodes.calibrate_servo:main',
            'camera = dp_ros.nodes.camera:main',
            'executor = dp_ros.nodes.executor:main',
            'latency = dp_ros.nodes.latency:main',
            'manager = dp_ros.nodes.manager:main',
            'operator = dp_ros.nodes.operator:main',
            'policy = dp_ros.nodes.policy:main',
            'recorder = dp_ros.nodes.recorder:main',
            'replay = dp_ros.nodes.replay:main',
            'rollout = dp_ros.nodes.rollout:main',
            'sim = dp_ros.nodes.sim:main',
            'teleop = dp_ros.nodes.teleop:main',
        ],
    },
)
