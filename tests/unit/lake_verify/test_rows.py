"""Judging rows again lies in neither direction: a valid record's row passes, and a doubt is not called a breach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lake.keys import contract_key
from ray_pipeline.lake.verify_contracts import ContractShelf, Shelved
from ray_pipeline.lake.verify_rows import RowVerdict, judge_bad, judge_rows
from ray_pipeline.testing.store import MemoryStore

HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: things
    logicalType: object
    properties:
"""


def shelved(text: str, kind: str = "odcs") -> Shelved:
    """As the audit gets it, from the store."""
    store = MemoryStore()
    contract = parse_contract(text, "c")
    store.put(contract_key("p", contract.digest, kind), text.encode())
    return ContractShelf(store, "p", {}).get(contract.ref, "things")


def verdicts(found: Shelved, *records: bytes) -> list[RowVerdict]:
    """Land the records, all valid, and judge their rows."""
    assert found.contract is not None, found.reason
    assert found.rows is not None
    columns = found.contract.columns(found.contract.judge(records))
    assert len(columns.rows) == len(records), columns.violations
    return judge_rows(columns.table, found.rows)


def odcs(*properties: str, head: str = HEAD) -> Shelved:
    return shelved(head + "".join(f"      - {{{one}}}\n" for one in properties))


@pytest.mark.parametrize(
    ("properties", "records"),
    [
        (["name: a, logicalType: integer, required: true"], [b'{"a":1.0}', b'{"a":-1e3}']),
        (["name: a, logicalType: number"], [b'{"a":1e300}', b'{"a":null}', b"{}", b'{"a":-0.0}']),
        (
            ["name: t, logicalType: timestamp, logicalTypeOptions: {format: \"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\"}"],
            [b'{"t":"2013-01-01T00:00:00.000+05:00"}'],
        ),
        (
            [
                "name: t, logicalType: timestamp, "
                "logicalTypeOptions: {timezone: false, defaultTimezone: America/New_York}"
            ],
            [b'{"t":"2013-07-01T00:00:00"}', b'{"t":"2013-07-01t00:00:00z"}'],
        ),
        (
            ["name: t, logicalType: timestamp, logicalTypeOptions: {minimum: '2013-01-01T00:00:00Z'}"],
            [b'{"t":"2012-12-31T23:00:00-05:00"}'],
        ),
        (["name: d, logicalType: date, enum: [{value: '2013-01-01'}]"], [b'{"d":"2013-01-01"}']),
        (["name: l, logicalType: array, items: {name: i, logicalType: integer}"], [b'{"l":[1,null]}', b'{"l":[]}']),
        (
            [
                "name: l, logicalType: array, logicalTypeOptions: {uniqueItems: true}, "
                "items: {name: i, logicalType: object, properties: [{name: a, logicalType: integer}]}"
            ],
            [b'{"l":[{},{"a":null}]}'],
        ),
        (
            [
                "name: l, logicalType: array, logicalTypeOptions: {uniqueItems: true}, "
                "items: {name: i, logicalType: timestamp}"
            ],
            [b'{"l":["2013-01-01T00:00:00Z","2013-01-01T01:00:00+01:00"]}'],
        ),
        (
            [
                "name: o, logicalType: object, logicalTypeOptions: {minProperties: 2}, "
                "properties: [{name: a, logicalType: integer}, {name: b, logicalType: integer}]"
            ],
            [b'{"o":{"a":1,"b":null}}', b'{"o":{"a":null,"b":null}}'],
        ),
        (
            [
                "name: o, logicalType: object, logicalTypeOptions: {required: [a], maxProperties: 1}, "
                "properties: [{name: a, logicalType: integer}, {name: b, logicalType: integer}]"
            ],
            [b'{"o":{"a":null}}'],
        ),
        (["name: m, logicalType: object"], [b'{"m":{"x":[1e400,"\\u0000"]}}']),
    ],
)
def test_the_row_of_a_valid_record_is_valid(properties: list[str], records: list[bytes]) -> None:
    assert verdicts(odcs(*properties), *records) == []


def test_open_content_comes_back_with_its_other_keys() -> None:
    text = HEAD.replace("schema:", "customProperties:\n  - {property: content, value: open}\nschema:")
    found = odcs("name: a, logicalType: integer, required: true", head=text)
    assert verdicts(found, b'{"a":1,"other":{"b":[null]},"\\"":"x"}') == []


def test_what_parquet_does_not_keep_is_said() -> None:
    found = odcs("name: t, logicalType: timestamp, logicalTypeOptions: {format: \"yyyy-MM-dd'T'HH:mm:ssXXX\"}")
    assert found.unjudged == ("/t: pattern",)


def bare(schema: dict[str, Any]) -> Shelved:
    return shelved(json.dumps(schema), "json-schema")


@pytest.mark.parametrize(
    ("schema", "records"),
    [
        ({"properties": {"a": {"type": ["integer", "null"]}}, "required": ["a"]}, [b'{"a":null}', b'{"a":1}']),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": False}, [b"{}", b'{"a":""}']),
        ({"type": "array"}, [b"[1, 2]", b"[]"]),
        ({"properties": {"a": {"type": "number"}}}, [b'{"a":1.5,"z":1}', b'{"z":[{"y":null}]}']),
    ],
)
def test_bare_schemas_whose_rows_come_back_hold(schema: dict[str, Any], records: list[bytes]) -> None:
    assert verdicts(bare(schema), *records) == []


def test_a_guess_that_fails_is_a_doubt() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": ["string", "null"]}},
        "dependentSchemas": {"a": {"not": {"required": ["b"]}}},
        "minProperties": 1,
        "additionalProperties": False,
    }
    [doubt] = verdicts(bare(schema), b'{"a":null}')
    assert not doubt.certain


def test_a_bare_schema_is_certain_where_nothing_is_lost() -> None:
    found = bare({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    strict = bare({"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"]})
    assert found.contract is not None
    assert strict.rows is not None
    table = found.contract.columns(found.contract.judge([b'{"a":7}', b'{"a":3}'])).table
    [breach] = judge_rows(table, strict.rows)
    assert (breach.row, breach.certain) == (1, True)
    assert "minimum" in breach.message


def contract() -> DataContract:
    found = odcs("name: a, logicalType: integer, required: true").contract
    assert found is not None
    return found


def test_bad_records_stay_refused_for_the_same_rules() -> None:
    values = [None, b"", b'{"a":"x"}', b'{"a":99999999999999999999}', b'{"a":1,"a":2}']
    judged = contract().judge(values)
    reasons = {**judged.violations, **contract().columns(judged).violations}
    stored = [frozenset(violation.rule for violation in reasons[i]) for i in range(len(values))]
    assert judge_bad(list(values), stored, contract()) == []
    assert [v.row for v in judge_bad([b'{"a":1}', b""], [stored[2], stored[0]], contract())] == [0, 1]
