"""From JSON to frozen dataclasses and back, strictly: what does not fit its type is refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_Reader = Callable[[Any], Any]


def as_document(value: Any) -> dict[str, Any]:
    """Return a dataclass as what ``json.dumps`` takes."""
    return asdict(value)


def from_document(cls: type[T], document: Any) -> T:
    """Return the dataclass that the JSON object holds; members that it does not know are left out.

    Raises ``ValueError``, which names the member, where one is missing or is not of its type.
    """
    return cast(T, _reader(cast(Any, cls))(document))


@lru_cache(maxsize=256)
def _reader(kind: Any) -> _Reader:
    if is_dataclass(kind):
        return _object(kind)  # type: ignore[arg-type]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _optional(next(argument for argument in arguments if argument is not type(None)))
    if origin is tuple:
        return _many(arguments[0]) if arguments[1:] == (...,) else _exactly(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments[1])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return _plain(kind)


def _object(cls: type[Any]) -> _Reader:
    hints = get_type_hints(cls)
    readers = [(field.name, _reader(hints[field.name])) for field in fields(cls)]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{cls.__name__} is no JSON object")  # noqa: TRY004
        missing = [name for name, _ in readers if name not in value]
        if missing:
            raise ValueError(f"{cls.__name__} without {', '.join(missing)}")
        try:
            return cls(**{name: one(value[name]) for name, one in readers})
        except ValueError as error:
            raise ValueError(f"{cls.__name__}: {error}") from error

    return read


def _optional(kind: Any) -> _Reader:
    inner = _reader(kind)
    return lambda value: None if value is None else inner(value)


def _many(kind: Any) -> _Reader:
    inner = _reader(kind)
    return lambda value: tuple(inner(item) for item in _of(list, value))


def _exactly(kinds: tuple[Any, ...]) -> _Reader:
    inner = [_reader(kind) for kind in kinds]

    def read(value: Any) -> Any:
        if len(_of(list, value)) != len(inner):
            raise ValueError(f"a list of {len(value)}, not of {len(inner)}")
        return tuple(one(item) for one, item in zip(inner, value, strict=True))

    return read


def _mapping(kind: Any) -> _Reader:
    inner = _reader(kind)
    return lambda value: {name: inner(item) for name, item in _of(dict, value).items()}


def _plain(kind: Any) -> _Reader:
    if kind is float:
        return lambda value: float(_of((int, float), value))
    return lambda value: _of(kind, value)


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"a {type(value).__name__} where {getattr(kind, '__name__', 'a number')} belongs")
    return value
