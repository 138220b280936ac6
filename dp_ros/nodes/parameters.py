"""Node parameters: declared once, with a description, and read-only after start."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    span: tuple[float, float] | None = None,
    read_only: bool = True,
) -> Any:
    """Declare a parameter and return its value; `span` bounds a number, both ends included."""
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if span is not None and isinstance(default, int):
        low, high = (int(bound) for bound in span)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    elif span is not None:
        bounds = FloatingPointRange(from_value=float(span[0]), to_value=float(span[1]))
        descriptor.floating_point_range = [bounds]
    return node.declare_parameter(name, default, descriptor).value
