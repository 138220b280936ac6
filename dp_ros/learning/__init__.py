"""The diffusion policy: noise schedules, samplers, networks, training. Knows no ROS."""
