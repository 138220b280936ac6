"""The colours of the executor's modes in pictures."""

COLOURS = {
    'policy': '#5b8fb9',
    'teleoperated': '#e0a458',
    'holding': '#c9b6d6',
    'recovering': '#8f7fb0',
    'stopped': '#c8553d',
    'program_stopped': '#d98c6a',
    'no_remote_control': '#d98c6a',
    'protective_stop': '#c8553d',
    'safeguard_stop': '#c8553d',
    'not_operational': '#a03c2c',
    'emergency_stop': '#a03c2c',
    'safety_fault': '#a03c2c',
    'fault': '#7a1f1f',
    'idle': '#dcdcdc',
    'unknown': '#f3f3f3',
}


def colour_of(mode: str) -> str:
    """Of a mode that is not known here: that of 'unknown'."""
    return COLOURS.get(mode, COLOURS['unknown'])
