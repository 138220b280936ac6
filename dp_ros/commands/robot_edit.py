"""Measured figures into a robot file, whose comments and order stay as they are."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dp_ros import atomic, yamlfile
from dp_ros.robot import Robot


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Let `change` alter the content of a robot file; raises ConfigError where that spoils it."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 99
    content = editor.load(path.read_text(encoding='utf-8'))
    change(content)
    text = io.StringIO()
    editor.dump(content, text)
    yamlfile.parse(Robot, YAML(typ='safe').load(text.getvalue()), str(path))
    atomic.write_text(path, text.getvalue())
