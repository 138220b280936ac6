"""The pure middle of the stack: numpy only; it reads no clock and knows no ROS and no torch."""
