"""Compares a response with the type that the SDK gives it, field by field.

The SDK itself, even where it is strict, accepts fields that no type has. This does not.
"""

import datetime
import inspect
import typing
from typing import Any, Iterator

from metronome._compat import get_args, get_origin
from metronome._models import BaseModel

NUMBERS = (int, float)


def mismatches(kind: Any, value: Any, path: str) -> Iterator[str]:
    """What in the value is not of this type, with its path."""
    kind = getattr(kind, "__value__", kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        yield from mismatches(arguments[0], value, path)
    elif origin is typing.Union:
        yield from best(arguments, value, path)
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {', '.join(map(str, arguments))}"
    elif origin is list:
        yield from of_list(arguments[0], value, path)
    elif origin is dict:
        yield from of_dict(arguments[1], value, path)
    elif is_model(origin or kind):
        yield from of_model(kind, value, path)
    elif not is_plain(kind, value):
        yield f"{path}: {value!r} is not {getattr(kind, '__name__', kind)}"


def best(kinds: tuple[Any, ...], value: Any, path: str) -> list[str]:
    """The mismatches with the alternative that has the fewest."""
    return min((list(mismatches(kind, value, path)) for kind in kinds), key=len)


def of_list(kind: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: not a list"
        return
    for index, item in enumerate(value):
        yield from mismatches(kind, item, f"{path}[{index}]")


def of_dict(kind: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: not an object"
        return
    for key, item in value.items():
        yield from mismatches(kind, item, f"{path}.{key}")


def of_model(kind: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: not an object"
        return
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    for name, field in fields.items():
        if name in value:
            yield from mismatches(field.annotation, value[name], f"{path}.{name}")
        elif field.is_required():
            yield f"{path}.{name}: missing"
    for name in value.keys() - fields.keys():
        yield f"{path}.{name}: not in the type"


def is_model(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)


def is_plain(kind: Any, value: Any) -> bool:
    if kind in (object, Any):
        return True
    if kind is type(None):
        return value is None
    if kind is datetime.datetime:
        return isinstance(value, str) and is_time(value)
    if kind in NUMBERS:
        return isinstance(value, NUMBERS) and not isinstance(value, bool) and (kind is float or value == int(value))
    return isinstance(value, kind)


def is_time(text: str) -> bool:
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False
