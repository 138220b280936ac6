"""Recordings: the replay buffer of demonstrations. Knows no ROS and no torch."""
