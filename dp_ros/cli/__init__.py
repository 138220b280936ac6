"""dp-ros: the one command-line program, in parts."""

from dp_ros.cli.program import app, main

__all__ = ['app', 'main']
