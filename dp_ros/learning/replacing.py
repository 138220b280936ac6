"""Put other modules in the place of some of a network's."""

from collections.abc import Callable

from torch import nn


def replace_modules(parent: nn.Module, other: Callable[[nn.Module], nn.Module | None]) -> None:
    """In place; other(child): what comes instead, or None where its own children are looked at."""
    for name, child in parent.named_children():
        found = other(child)
        if found is None:
            replace_modules(child, other)
        else:
            setattr(parent, name, found)
