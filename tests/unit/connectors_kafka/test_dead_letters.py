from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.connectors.kafka.dead_letters import VIOLATIONS_LIMIT_BYTES, envelope, event_id, stub
from ray_pipeline.connectors.kafka.outbox import CHUNK_BYTES, CHUNK_RECORDS, chunks
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import BadRecord, ContractRef, TopicPartition, Violation

CONTRACT = ContractRef("urn:c", "1.0.0", "ab" * 32)
SOURCE = TopicPartition("departures", 3)
FILE = "s3://lake/flights/bad/departures/00003/1.parquet"

texts = st.text(max_size=50)
binaries = st.none() | st.binary(max_size=50)
names = st.text(max_size=20) | st.sampled_from(["__connect.errors.topic", "__connect.errors.offset", "__contract.id"])
violations = st.builds(
    Violation,
    path=st.lists(st.text(max_size=300) | st.integers(0, 99), max_size=4).map(tuple),
    rule=texts,
    schema_path=texts,
    message=st.text(max_size=3000),
)
records = st.builds(
    BadRecord,
    offset=st.integers(0, 2**62),
    timestamp=st.integers(-1, 2**45),
    key=binaries,
    value=binaries,
    headers=st.lists(st.tuples(names, binaries), max_size=5).map(tuple),
    violations=st.lists(violations, max_size=30).map(tuple),
)
letters = st.builds(
    DeadLetter, source=st.just(SOURCE), record=records, contract=st.just(CONTRACT), bad_file=st.just(FILE)
)


def _record(**facts: object) -> BadRecord:
    known = {"offset": 7, "timestamp": 5, "key": b"k", "value": b"v", "headers": (), "violations": ()}
    return BadRecord(**{**known, **facts})  # type: ignore[arg-type]


def _letter(**facts: object) -> DeadLetter:
    return DeadLetter(SOURCE, _record(**facts), CONTRACT, FILE)


@given(letters)
def test_key_value_timestamp_and_headers_stay_as_they_were_and_come_first(letter):
    sent, record = envelope(letter), letter.record
    assert (sent.key, sent.value, sent.timestamp) == (record.key, record.value, record.timestamp)
    assert sent.headers[: len(record.headers)] == record.headers
    assert sent == envelope(letter)


@given(letters)
def test_the_first_failure_keeps_its_connect_headers_and_ours_are_always_added(letter):
    added = envelope(letter).headers[len(letter.record.headers) :]
    original = {name for name, _ in letter.record.headers}
    connect = {name for name, _ in added if name.startswith("__connect.errors.")}
    assert not connect & original
    assert "__connect.errors.topic" in connect | original
    ours = dict(added)
    assert ours["__contract.id"] == b"urn:c"
    assert ours["__contract.violation_count"] == str(len(letter.record.violations)).encode()
    assert ours["__contract.bad_file"] == FILE.encode()
    assert all(value is not None and value.decode() is not None for value in ours.values())


@given(letters)
def test_the_violation_list_is_capped_json_and_says_where_the_rest_is(letter):
    ours = dict(envelope(letter).headers[len(letter.record.headers) :])
    text = ours["__contract.violations"]
    assert len(text) <= VIOLATIONS_LIMIT_BYTES
    listed = json.loads(text)
    whole = letter.record.violations
    assert [one["message"] for one in listed] == [one.message for one in whole[: len(listed)]]
    assert ("__contract.violations_at" in ours) == (len(listed) < len(whole))
    assert len(ours.get("__connect.errors.exception.message", b"")) <= 1024


@given(letters, st.integers(3000, 100_000))
def test_a_stub_is_small_and_points_to_the_bad_file(letter, limit):
    small = stub(letter, limit)
    assert small.size() <= limit
    assert small.value == b""
    assert dict(small.headers)["__contract.value_at"] == FILE.encode()
    assert small.timestamp == letter.record.timestamp


def test_reasons_are_written_as_pointers_rules_and_messages():
    reasons = (
        Violation(("items", 0, "a/b~c"), "minimum", "/properties/x/minimum", "below 0"),
        Violation((), "required", "/required", "k is missing"),
    )
    headers = dict(envelope(_letter(violations=reasons)).headers)
    assert json.loads(headers["__contract.violations"]) == [
        {
            "path": "/items/0/a~1b~0c",
            "rule": "minimum",
            "schema_path": "/properties/x/minimum",
            "message": "below 0",
        },
        {"path": "", "rule": "required", "schema_path": "/required", "message": "k is missing"},
    ]
    assert headers["__connect.errors.exception.message"] == b"/items/0/a~1b~0c: minimum: below 0 (and 1 more)"
    assert headers["__connect.errors.topic"] == b"departures"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"7"


def test_an_id_tells_apart_what_differs_and_nothing_else():
    same = event_id(SOURCE, 7, CONTRACT)
    assert same == event_id(SOURCE, 7, ContractRef("other", "9", CONTRACT.digest))
    others = [
        event_id(SOURCE, 8, CONTRACT),
        event_id(TopicPartition("departures", 37), 7, CONTRACT),
        event_id(TopicPartition("departures3", 7), 7, CONTRACT),
        event_id(SOURCE, 7, ContractRef("urn:c", "1.0.0", "cd" * 32)),
    ]
    assert len({same, *others}) == 5


@given(st.lists(st.integers(0, 9 * 1024 * 1024), max_size=12))
def test_chunks_are_the_letters_in_order_in_bounded_pieces(sizes):
    value = bytes(9 * 1024 * 1024)
    many = [_letter(offset=i, value=memoryview(value)[:size]) for i, size in enumerate(sizes)]
    pieces = list(chunks(many))
    assert [one for piece in pieces for one in piece] == many
    assert pieces
    for piece in pieces:
        assert len(piece) == 1 or sum(len(one.record.value or b"") for one in piece) <= CHUNK_BYTES + 100


def test_many_small_letters_are_cut_by_number():
    pieces = list(chunks([_letter(offset=i) for i in range(2 * CHUNK_RECORDS + 1)]))
    assert [len(piece) for piece in pieces] == [CHUNK_RECORDS, CHUNK_RECORDS, 1]
