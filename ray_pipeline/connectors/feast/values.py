"""Feast's protobuf values as typed JSON and back, every type of Feast 0.67, so that no pickle and no Feast is needed to
read what is stored."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from feast.protos.feast.types import Value_pb2 as Types

from ray_pipeline.connectors.online.values import dump, flat_key

Value = Types.Value
_Turn = Callable[[Any], Any]


class Packer:
    """Rows of one view as bytes. A push is mostly this, so it guesses that a feature has the type that it just had."""

    def __init__(self) -> None:
        self._given: tuple[str, ...] = ()
        self._guesses: dict[str, tuple[str, str]] = {}
        """Feature → field and flat key, where what the field holds is written as it is."""
        self._plan: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None = None
        """The features in the order of their names, their fields and flat keys; None where one cannot be guessed."""

    def __call__(self, values: Mapping[str, Any]) -> bytes:
        """Return the values of one row as the store keeps them."""
        if self._plan is not None and tuple(values) == self._given:
            features, names, keys = self._plan
            row = dict(zip(keys, map(getattr, map(values.__getitem__, features), names), strict=True))
            # What is not its field's default is set, and then no other field is; and only NaN and infinity are
            # written as null there. Where a text says null, or a number is 0, the long way says the same.
            if all(row.values()) and b"null" not in (data := dump(row)):
                return data
        return dump(dict(self._exactly(values)))

    def _exactly(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        changed = False
        for feature in sorted(values):
            value = values[feature]
            name = value.WhichOneof("val")
            if name is None:
                yield flat_key(feature, ""), None
                continue
            kind, encode = _ENCODERS[name]
            key, found = flat_key(feature, kind), getattr(value, name)
            yield key, encode(found) if encode else found
            if (encode is None or encode is _float) and self._guesses.get(feature) != (name, key):
                self._guesses[feature] = name, key
                changed = True
        if changed or tuple(values) != self._given:
            self._given, self._plan = tuple(values), None
            if values and all(feature in self._guesses for feature in values):
                features = tuple(sorted(values))
                names, keys = zip(*(self._guesses[feature] for feature in features), strict=True)
                self._plan = features, names, keys


def tree(value: Any) -> dict[str, Any] | None:
    """Return one value as JSON: its type's name, without Feast's suffix, over what it holds; None where it is unset."""
    name = value.WhichOneof("val")
    if name is None:
        return None
    kind, encode = _ENCODERS[name]
    return {kind: encode(getattr(value, name)) if encode else getattr(value, name)}


def value_of(found: Mapping[str, Any] | None) -> Any:
    """Return the protobuf value that :func:`tree` was given; ``ValueError`` for a type that this Feast has not."""
    value = Value()
    if found is None:
        return value
    ((kind, payload),) = found.items()
    if kind not in _DECODERS:
        raise ValueError(f"a stored value has the type {kind!r}, which this version does not know")
    name, decode = _DECODERS[kind]
    if name in _MESSAGES:
        getattr(value, name).CopyFrom(decode(payload) if decode else payload)
    else:
        setattr(value, name, decode(payload) if decode else payload)
    return value


def _float(number: float) -> float | str:
    return number if number - number == 0 else repr(number)  # JSON has no NaN and no infinity


def _bytes(data: bytes) -> str:
    return b64encode(data).decode()


def _items(encode: _Turn | None) -> _Turn:
    return (lambda message: [encode(item) for item in message.val]) if encode else (lambda message: list(message.val))


def _message(kind: type, decode: _Turn | None) -> _Turn:
    return lambda items: kind(val=[decode(item) for item in items] if decode else items)


def _map(message: Any) -> dict[str, Any]:
    return {name: tree(message.val[name]) for name in sorted(message.val)}


def _to_map(found: Mapping[str, Any]) -> Any:
    return Types.Map(val={name: value_of(inner) for name, inner in found.items()})


def _key(message: Any) -> dict[str, Any]:
    name = message.WhichOneof("key")
    encode = _ENCODERS[f"{name.removesuffix('_key')}_val"][1] if name else None
    return {name.removesuffix("_key"): encode(getattr(message, name)) if encode else getattr(message, name)}


def _to_key(found: Mapping[str, Any]) -> Any:
    ((kind, payload),) = found.items()
    decode = _DECODERS[kind][1]
    return Types.MapKey(**{f"{kind}_key": decode(payload) if decode else payload})


def _scalar_map(message: Any) -> list[list[Any]]:
    return sorted(([_key(entry.key), tree(entry.value)] for entry in message.val), key=repr)


def _to_scalar_map(found: list[list[Any]]) -> Any:
    return Types.ScalarMap(val=[Types.ScalarMapEntry(key=_to_key(key), value=value_of(inner)) for key, inner in found])


def _types() -> dict[str, tuple[_Turn | None, _Turn | None]]:
    """Return how each field of Feast's value is written and read; None: as it is."""
    types: dict[str, tuple[_Turn | None, _Turn | None]] = {
        "null": (None, None),
        "map": (_map, _to_map),
        "struct": (_map, _to_map),
        "scalar_map": (_scalar_map, _to_scalar_map),
        "zoned_timestamp": (
            lambda message: [message.unix_timestamp, message.zone],
            lambda found: Types.ZonedTimestamp(unix_timestamp=found[0], zone=found[1]),
        ),
    }
    for kind in ("map_list", "struct_list"):
        types[kind] = _items(_map), _message(Types.MapList, _to_map)
    for kind in ("list", "set"):
        types[kind] = _items(tree), _message(Types.RepeatedValue, value_of)
    scalars: dict[str, tuple[str, _Turn | None, _Turn | None]] = {
        "bytes": ("Bytes", _bytes, b64decode),
        "int32": ("Int32", None, None),
        "int64": ("Int64", None, None),
        "unix_timestamp": ("Int64", None, None),
        "double": ("Double", _float, float),
        "float": ("Float", _float, float),
        "bool": ("Bool", None, None),
    }
    scalars |= dict.fromkeys(("string", "json", "uuid", "time_uuid", "decimal"), ("String", None, None))
    for kind, (message, encode, decode) in scalars.items():
        types[kind] = encode, decode
        for many in ("list", "set"):
            holder = getattr(Types, f"{message}{many.title()}")
            types[f"{kind}_{many}"] = _items(encode), _message(holder, decode)
    return types


_FIELDS = {field.name for field in Value.DESCRIPTOR.fields}
_MESSAGES = {field.name for field in Value.DESCRIPTOR.fields if field.message_type is not None}
_KINDS = {f"{kind}_val": (kind, *turns) for kind, turns in _types().items()}
_ENCODERS = {name: (kind, encode) for name, (kind, encode, _) in _KINDS.items() if name in _FIELDS}
_DECODERS = {kind: (name, decode) for name, (kind, _, decode) in _KINDS.items() if name in _FIELDS}
