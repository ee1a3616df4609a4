"""A contract in words: what ``ray-pipeline contract show`` prints, and what a notebook displays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import keywords
from .demands import demands
from .shape import EXTRA, VALUE, Json, ListOf, Record, Shape, Timestamp

if TYPE_CHECKING:
    from .model import DataContract

_MAX_STEPS: Final = 10
_NEVER_CHANGES: Final = ("UTC", "Etc/UTC")
_JSON_TEXT: Final = "JSON text: Arrow has no type for what this may hold"
_CONTAINS_TEXT: Final = "JSON text where Arrow has no type for a part of it"
_EXTRA_TEXT: Final = "keys that the contract does not name, as one JSON object text; null where there were none"
_VALUE_TEXT: Final = "the whole record as JSON text: the schema admits records that are no object, or says too little"


def describe(contract: DataContract) -> dict[str, Any]:
    """Everything about a contract that a reader of the landed data wants to know, as JSON-able values."""
    return {
        "id": contract.id,
        "version": contract.version,
        "name": contract.name,
        "kind": contract.kind,
        "dataset": contract.dataset,
        "physical_name": contract.physical_name,
        "file": contract.file,
        "digest": contract.digest,
        "draft": {2019: "2019-09", 2020: "2020-12"}.get(contract.draft, str(contract.draft)),
        "records": _records(contract),
        "content": _content(contract),
        "columns": _columns(contract),
        "rules": [{"where": where, "what": what} for where, what in demands(contract.json_schema)],
        "settings": {
            "eventTime": contract.event_time,
            "subMicroseconds": contract.sub_microseconds,
            "tombstones": contract.tombstones,
            "landHeaders": contract.land_headers,
            **({"rowsIndependent": True} if contract.rows_independent else {}),
            "formats": contract.formats,
            "maxBytes": contract.limits.max_bytes,
            "maxDepth": contract.limits.max_depth,
            "maxKeys": contract.limits.max_keys,
            "maxItems": contract.limits.max_items,
        },
        "notes": _notes(contract),
        "warnings": [str(problem) for problem in contract.warnings],
    }


def _records(contract: DataContract) -> str:
    if contract.kind == "odcs":
        return "JSON objects; anything else is refused as record.not-object"
    return f"whatever the JSON Schema admits; {_landing_of_root(contract.shape)}"


def _landing_of_root(shape: Shape) -> str:
    return f"lands in the column {VALUE}" if isinstance(shape, Json) else "one column for each key"


def _content(contract: DataContract) -> str:
    if isinstance(contract.shape, Json):
        return "undivided"
    return "open" if contract.shape.open else "closed"


def _columns(contract: DataContract) -> list[dict[str, Any]]:
    schema = contract.json_schema if isinstance(contract.json_schema, Mapping) else {}
    required = schema.get("required")
    names_required = required if isinstance(required, list) else []
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    shapes = {field.name: field.shape for field in contract.shape.fields} if isinstance(contract.shape, Record) else {}
    columns = []
    for field in contract.landing_schema:
        shape = shapes.get(field.name)
        columns.append(
            {
                "name": field.name,
                "json_type": json_type(known.get(field.name), schema) if shape is not None else "any JSON",
                "arrow_type": str(field.type),
                "required": field.name in names_required,
                "note": _note(field.name, shape),
            }
        )
    return columns


def json_type(schema: object, root: object = None) -> str:
    """What a schema says about a value's type, in a few words; ``root`` is where its references lead.

    >>> json_type({"type": ["string", "null"], "format": "date"})
    'string (date) or null'
    >>> json_type({"$ref": "#/$defs/price"}, {"$defs": {"price": {"type": "number"}}})
    'number'
    """
    for _ in range(_MAX_STEPS):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = _referred(root, reference)
    if not isinstance(schema, Mapping) or "type" not in schema:
        return "any JSON"
    named = schema["type"]
    types = [named] if isinstance(named, str) else list(named)
    form = "local date-time" if keywords.LOCAL_TIMESTAMP in schema else schema.get("format")
    if isinstance(form, str) and "string" in types:
        types[types.index("string")] = f"string ({form})"
    return " or ".join(types)


def _referred(root: object, reference: str) -> object:
    here = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        here = here.get(name) if isinstance(here, Mapping) else None
    return here


def _note(name: str, shape: Shape | None) -> str | None:
    if shape is None:
        return _EXTRA_TEXT if name == EXTRA else _VALUE_TEXT
    if isinstance(shape, Json):
        return _JSON_TEXT
    if isinstance(shape, Timestamp) and shape.local_zone is not None:
        twice = "" if shape.local_zone in _NEVER_CHANGES else "; of a time that the zone had twice, the first is meant"
        return f"a time without an offset is read in {shape.local_zone}{twice}"
    return _CONTAINS_TEXT if _holds_json(shape) else None


def _holds_json(shape: Shape) -> bool:
    match shape:
        case Json():
            return True
        case ListOf(items):
            return _holds_json(items)
        case Record(fields, _):
            return any(_holds_json(field.shape) for field in fields)
        case _:
            return False


def _notes(contract: DataContract) -> list[str]:
    notes = ["absent and null are both null in a column"]
    content = _content(contract)
    if content == "open":
        notes.append(f"keys without a column are kept in {EXTRA}")
    elif content == "closed" and contract.kind == "odcs":
        notes.append("a key that the contract does not name makes a record invalid (content: closed)")
    if content == "undivided":
        notes.append(f"{VALUE} is {_VALUE_TEXT}")
    if contract.sub_microseconds == "truncate":
        notes.append("digits of a timestamp below a microsecond are cut off, and counted")
    else:
        notes.append("a timestamp with digits below a microsecond makes a record invalid")
    if contract.tombstones == "skip":
        notes.append("records without a value are passed over")
    if contract.event_time is None:
        notes.append("no eventTime: landed files are divided by the day of the Kafka timestamp")
    return notes
