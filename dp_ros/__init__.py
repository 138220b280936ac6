"""dp_ros: a Diffusion Policy on a real arm through ROS 2."""

__version__ = '0.1.0'
