"""A recorded episode, replayed without ROS and without a clock against a checkpoint."""
