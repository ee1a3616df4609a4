"""The look at the bytes: it may be too careful, never too careless."""

from __future__ import annotations

import json

import pytest

from ray_pipeline.contracts.shape import Field, Json, ListOf, Record, Text
from ray_pipeline.contracts.verdicts import exact
from ray_pipeline.contracts.verdicts.convert import holds_open
from ray_pipeline.contracts.verdicts.duplicate_keys import count_keys, key_counter, keys_written
from ray_pipeline.contracts.verdicts.prescan import LOOK, Suspicion, has_long_literals, prescan, sizes_of


def _bounds(*texts: bytes, depth: int = 64, size: int = 10_000, doubles: bool = True) -> list[int]:
    return prescan(texts, sizes_of(texts), Suspicion(depth, size, doubles))


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (b'{"a":1,"b":{"c":"x:y"}}', 3),
        (b'{"a": 1}', 1),
        (b'{"a" :1}', LOOK),
        (b'{"a"\n:1}', LOOK),
        (b'{"a":"say \\":\\""}', 1),
        (b'{"a\\\\":1}', LOOK),
        (b'{"a\\":":1}', 1),
        (b"{}", LOOK),
        (b"", LOOK),
        (b":", LOOK),
        (b'":', 1),
        (b'{"a":' + b"[" * 65 + b"]" * 65 + b"}", LOOK),
        (b'{"a":9007199254740993}', LOOK),
        (b'{"a":1700000000000000}', 1),
        (b'{"a":17000000000000000}', LOOK),
        (b'{"a":"17000000000000000"}', 1),
        (b'{"a":0.30000000000000004}', 1),
        (b'{"a":-9007199254740993}', LOOK),
    ],
)
def test_a_bound_or_a_closer_look(text: bytes, bound: int) -> None:
    assert _bounds(text) == [bound]
    assert _bounds(b'{"x":1}', text, b'{"x":1}') == [1, bound, 1]


def test_without_doubles_only_what_64_bits_may_not_hold_is_looked_at() -> None:
    texts = [b'{"a":1700000000000000000}', b'{"a":9223372036854775808}', b'{"a":10000000000000000000}']
    assert _bounds(*texts, doubles=False) == [1, LOOK, LOOK]


def test_large_records_are_looked_at() -> None:
    assert _bounds(b'{"a":"' + b"x" * 90 + b'"}', size=50) == [LOOK]


def test_literals_of_more_than_15_digits_are_found() -> None:
    texts = [
        b"[123456789012345.5]",
        b"[123456789012345]",
        b"[0.12345678901234]",
        b"[12345678901234567]",
        b"",
        b"9" * 17,
    ]
    assert has_long_literals(texts) == [True, False, True, True, False, True]
    assert has_long_literals([b"[1e-400]", b"[1E-308]", b"[1e-5]"]) == [True, True, False]


def test_a_counter_counts_the_keys_of_valid_records_of_its_shape() -> None:
    flat = Record((Field("c", Text()), Field("d", Text())))
    shapes = [
        Record((Field("a", Text()), Field("r", flat), Field("l", ListOf(flat)), Field("ll", ListOf(ListOf(flat))))),
        Record((Field("a", Text()),), open=True),
        Json(),
        Record((Field("j", Json()), Field("r", Record((Field("deep", flat),))))),
    ]
    records = [
        {"a": "x", "r": {"c": "y"}, "l": [{"c": "1", "d": "2"}, None, {}], "ll": [[{"c": "1"}], [], None]},
        {"a": "x", "q": {"w": [{"e": 1}]}},
        [1, {"a": {"b": 2}}],
        {"j": {"a": [{"b": 1}]}, "r": {"deep": {"c": "x"}}},
    ]
    for shape, record in zip(shapes, records, strict=True):
        assert count_keys(record) == keys_written(json.dumps(record).encode())
        counted = key_counter(shape)(record)  # type: ignore[arg-type]
        assert counted < count_keys(record) if holds_open(shape) else counted == count_keys(record)  # type: ignore[arg-type]


def test_depth_counts_brackets_outside_strings_only() -> None:
    assert exact.depth(rb'{"a\"[[":["]]]",[{}]]}') == 4
    assert exact.depth(b'"' + rb"\"" * 500_000) == 0
    assert exact.depth(b"]]]]") == 0
