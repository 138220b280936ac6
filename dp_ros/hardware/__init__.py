"""Devices through their vendors' libraries. No ROS, no torch."""
