"""The colours of the executor's modes in pictures."""

COLOURS = {
    'policy': '#5b8fb9',
    'teleoperated': '#e0a458',
    'holding': '#c9b6d6',
    'stopped': '#c8553d',
    'fault': '#7a1f1f',
    'idle': '#dcdcdc',
    'unknown': '#f3f3f3',
}


def colour_of(mode: str) -> str:
    """Of a mode that is not known here: that of 'unknown'."""
    return COLOURS.get(mode, COLOURS['unknown'])
