"""What the sub-commands of dp-ros do; cli/ only reads the command line."""
