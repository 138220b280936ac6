"""YAML files into validated, frozen models, with errors a person can act on."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigError(ValueError):
    """A file of settings is wrong; the text names the file, the key and what was expected."""


class Settings(BaseModel):
    """Base of everything that is read from YAML: frozen, and no key passes unnoticed."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)


S = TypeVar('S', bound=Settings)


def load(model: type[S], path: Path | str) -> S:
    """Read `path` (safe YAML) into `model`; raises ConfigError with one line per fault."""
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise ConfigError(f'{path}: no such file') from None
    except OSError as error:
        raise ConfigError(f'{path}: not readable: {error.strerror}') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: not readable as YAML: {error}') from None
    return parse(model, content, str(path))


def parse(model: type[S], content: Any, origin: str) -> S:
    """Validate already-read YAML `content`; `origin` names it in errors."""
    if not isinstance(content, dict):
        raise ConfigError(f'{origin}: expected a mapping of keys, found {type(content).__name__}')
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [_sentence(model, fault) for fault in error.errors()]
        raise ConfigError('\n'.join(f'{origin}: {fault}' for fault in faults)) from None


def dump(settings: Settings) -> str:
    """YAML text that `load` reads back to an equal value."""
    return yaml.safe_dump(settings.model_dump(mode='json'), sort_keys=False, allow_unicode=True)


def _sentence(model: type[BaseModel], fault: Any) -> str:
    place = '.'.join(str(part) for part in fault['loc'])
    if fault['type'] == 'extra_forbidden':
        valid = _keys_at(model, fault['loc'][:-1])
        near = difflib.get_close_matches(str(fault['loc'][-1]), valid, n=1, cutoff=0.5)
        hint = f'did you mean {near[0]!r}?' if near else f'valid keys: {", ".join(valid)}'
        return f'unknown key {place!r}; {hint}'
    if fault['type'] == 'missing':
        return f'key {place!r} is missing'
    message = fault['msg'].removeprefix('Value error, ')
    if not place:
        return str(message)
    return f'{place}: {message} (found {fault["input"]!r})'


def _keys_at(model: Any, location: tuple[int | str, ...]) -> list[str]:
    """Keys that are valid at `location` inside `model`: walks nested models, lists and unions."""
    candidates = [model]
    for part in location:
        inner: list[Any] = []
        for candidate in candidates:
            if isinstance(part, str) and part in candidate.model_fields:
                inner += _models_in(candidate.model_fields[part].annotation)
        # A number is an index and a tag is a union's label: both stay on the same models.
        candidates = inner or candidates
    return sorted({key for candidate in candidates for key in candidate.model_fields})


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, '__args__', ()) for m in _models_in(argument)]
