"""What the sub-commands of dp-ros do; cli.py only reads the command line."""
