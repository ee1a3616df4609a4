"""Records per CPU-second of judge and columns, beside the loop that a team writes by hand; in one process, one thread.

Run it as ``python -m tests.bench.verdicts [RECORDS]``. The plain loop is orjson, jsonschema-rs and
``pa.Table.from_pylist`` over batches of RECORDS (100,000), as in ``plain_loop.py``, without broker and Parquet: it
finds no doubled key, lands times as strings, and dies of some records that the judge refuses.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import jsonschema_rs
import orjson
import pyarrow as pa

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract

_ROUNDS = 3
_AIRPORT = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "lat": {"type": "number"}, "lon": {"type": "number"}},
    "required": ["code"],
    "additionalProperties": False,
}
_DEPARTURE = {
    "type": "object",
    "properties": {
        "flight_id": {"type": "string", "maxLength": 40},
        "carrier": {"type": "string", "minLength": 2, "maxLength": 2},
        "flight": {"type": "integer", "minimum": 1},
        "tailnum": {"type": ["string", "null"], "pattern": "^N[0-9A-Z]+$"},
        "scheduled_departure": {"type": "string", "format": "date-time"},
        "departed_at": {"type": ["string", "null"], "format": "date-time"},
        "origin": _AIRPORT,
        "destination": _AIRPORT,
        "distance": {"type": "integer"},
        "delay": {"type": ["number", "null"]},
        "cancelled": {"type": "boolean"},
        "seats": {"type": ["integer", "null"]},
    },
    "required": ["flight_id", "carrier", "flight", "scheduled_departure"],
    "additionalProperties": False,
}
_ORDER = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "format": "uuid"},
        "placed_at": {"type": "string", "format": "date-time"},
        "customer": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "country": {"type": "string", "maxLength": 2}},
            "additionalProperties": False,
        },
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string"},
                    "qty": {"type": "integer", "minimum": 1},
                    "price": {"type": "number"},
                },
                "required": ["sku", "qty"],
                "additionalProperties": False,
            },
        },
        "total": {"type": "number"},
    },
    "required": ["order_id", "customer"],
    "additionalProperties": False,
}


def _departure(random: Random, number: int) -> dict[str, Any]:
    return {
        "flight_id": f"UA{number}-2013-01-01",
        "carrier": "UA",
        "flight": random.randint(1, 9999),
        "tailnum": "N14228",
        "scheduled_departure": f"2013-01-{random.randint(1, 28):02d}T10:15:00Z",
        "departed_at": "2013-01-01T10:17:00Z",
        "origin": {"code": "EWR", "lat": 40.6925, "lon": -74.168667},
        "destination": {"code": "IAH", "lat": 29.984433, "lon": -95.341442},
        "distance": random.randint(100, 3000),
        "delay": round(random.random() * 30, 1),
        "cancelled": False,
        "seats": None if number % 3 else 150,
    }


def _order(random: Random, number: int) -> dict[str, Any]:
    lines = [
        {"sku": f"S-{random.randint(1, 10**6)}", "qty": random.randint(1, 9), "price": round(random.random() * 90, 2)}
        for _ in range(4)
    ]
    return {
        "order_id": f"6f1ae5b2-0b7a-4a25-9d4c-{number:012d}",
        "placed_at": "2026-01-01T10:17:00.250Z",
        "customer": {"id": number, "country": "DE"},
        "lines": lines,
        "total": round(sum(line["qty"] * line["price"] for line in lines), 2),
    }


def plain(contract: DataContract, values: list[bytes]) -> pa.Table:
    """The yardstick."""
    validator = jsonschema_rs.validator_for(contract.json_schema, validate_formats=True)
    rows, errors = [], []
    for value in values:
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            errors.append(str(error))
            continue
        if validator.is_valid(record):
            rows.append(record)
        else:
            errors.append("; ".join(error.message for error in validator.iter_errors(record)))
    return pa.Table.from_pylist(rows)


def _ours(contract: DataContract, values: list[bytes]) -> pa.Table:
    return contract.columns(contract.judge(values)).table


def _cost(run: Callable[[], object]) -> float:
    """The least CPU-seconds of some rounds: what else the machine does only adds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        result = run()
        best = min(best, time.process_time() - started)
        del result
    return best


def _replaced(values: list[bytes], every: int, old: bytes, new: bytes) -> list[bytes]:
    return [value.replace(old, new, 1) if n % every == 0 else value for n, value in enumerate(values)]


def main(count: int) -> None:
    random = Random(7)
    departures = [orjson.dumps(_departure(random, number)) for number in range(count)]
    orders = [orjson.dumps(_order(random, number)) for number in range(count)]
    integers = [orjson.dumps({**orjson.loads(value), "seats": 150.0, "distance": 1500.0}) for value in departures]
    few = [odd if n % 1000 == 0 else value for n, (value, odd) in enumerate(zip(departures, integers, strict=True))]
    lower = [value.replace(b"T10", b"t10").replace(b"0Z", b"0z") for value in departures]
    digits = [value.replace(b":00Z", b":00.123456000Z") for value in departures]
    departure = parse_contract(json.dumps(_DEPARTURE), "departure.json")
    order = parse_contract(json.dumps(_ORDER), "order.json")
    opened = parse_contract(json.dumps({**_DEPARTURE, "additionalProperties": True}), "open.json")
    cases: list[tuple[str, DataContract, list[bytes]]] = [
        ("departures, clean", departure, departures),
        ("departures, 5 % bad", departure, _replaced(departures, 20, b'"UA"', b'"UAX"')),
        ("departures, 100 % bad", departure, _replaced(departures, 1, b'"UA"', b'"UAX"')),
        ("departures, 100 % malformed", departure, [value[:-1] for value in departures]),
        ("departures, 100 % doubled keys", departure, [value[:-1] + b',"seats":1}' for value in departures]),
        ("departures, one 1.0 per 1,000", departure, few),
        ("departures, 100 % odd: 1.0 for integers", departure, integers),
        ("departures, 100 % odd: t and z", departure, lower),
        ("departures, 100 % odd: 9 digits of fraction", departure, digits),
        ("departures, Python's spaces", departure, [json.dumps(json.loads(value)).encode() for value in departures]),
        ("departures, open, nothing extra", opened, departures),
        ("departures, open, one extra", opened, [value[:-1] + b',"note":"x"}' for value in departures]),
        ("orders, clean", order, orders),
    ]
    print(f"{count} records of {len(departures[0])} and {len(orders[0])} bytes; thousands per CPU-second")
    print(f"{'':46}{'plain':>8}{'ours':>8}{'ratio':>8}{'of clean':>10}")
    clean: dict[str, float] = {}
    for name, contract, values in cases:
        yardstick = _cost(partial(plain, contract, values))
        cost = _cost(partial(_ours, contract, values))
        base = clean.setdefault(name.split(",")[0], cost)
        print(
            f"{name:46}{count / yardstick / 1000:8.0f}{count / cost / 1000:8.0f}"
            f"{yardstick / cost:8.2f}{base / cost:10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
