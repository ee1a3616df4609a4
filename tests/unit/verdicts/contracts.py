"""Contracts for the tests of the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.verdicts import Verdicts

FLIGHT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 20},
        "seats": {"type": ["integer", "null"], "minimum": 0},
        "delay": {"type": ["number", "null"]},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": ["string", "null"], "format": "date"},
        "cancelled": {"type": "boolean"},
        "origin": {
            "type": ["object", "null"],
            "properties": {"code": {"type": "string"}, "runway": {"type": "integer"}},
            "additionalProperties": False,
        },
        "legs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"to": {"type": "string"}, "left": {"type": "string", "format": "date-time"}},
                "additionalProperties": False,
            },
        },
    },
    "required": ["id"],
    "additionalProperties": False,
}


def bare(schema: dict[str, Any] | bool, **changes: Any) -> DataContract:
    """A contract of a JSON Schema; fields of the contract may be changed."""
    return replace(parse_contract(json.dumps(schema), "test.json"), **changes)


def one(name: str, schema: Any, **changes: Any) -> DataContract:
    """A closed record with one member."""
    return bare({"type": "object", "properties": {name: schema}, "additionalProperties": False}, **changes)


def rules(verdicts: Verdicts, index: int = 0) -> list[str]:
    """The rules that a record breaks."""
    return [reason.rule for reason in verdicts.violations[index]]
