"""python -m dp_ros.cli."""

from dp_ros.cli.program import main

main()
