"""Keys: nothing escapes, everything comes back."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ray_pipeline.lake import keys
from ray_pipeline.types import SourceId

NAMES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["..", ".", "", "/etc/passwd", "../../x", "a\0b", "_log", "ü/=..", "a" * 249, "c.d.e", "=2E", "\ud800"]
    ),
)
OFFSETS = st.integers(0, 2**63 - 1)
SAFE = re.compile(r"[A-Za-z0-9._=/-]+")


def fits(*names: str) -> bool:
    try:
        return all(keys.quote(name) for name in names)
    except ValueError:
        return False


def assert_safe(key: str, folder: str) -> None:
    assert SAFE.fullmatch(key)
    assert not {"", ".", ".."} & set(key.split("/"))
    assert key.split("/")[1] == folder
    assert len(key.encode()) <= 1024


@settings(deadline=None)
@given(name=NAMES)
def test_a_quoted_name_comes_back_and_is_one_plain_segment(name: str) -> None:
    assume(fits(name))
    assert keys.unquote(keys.quote(name)) == name
    assert re.fullmatch(r"[A-Za-z0-9._=-]+", keys.quote(name))


@settings(deadline=None)
@given(first=NAMES, second=NAMES)
def test_two_names_never_share_a_segment(first: str, second: str) -> None:
    assume(fits(first, second) and first != second)
    assert keys.quote(first) != keys.quote(second)


@settings(deadline=None)
@given(pipeline=NAMES, topic=NAMES, cluster=NAMES, topic_id=NAMES, partition=st.integers(0, 10**6), n=OFFSETS)
def test_log_keys_come_back_whatever_the_names(
    pipeline: str, topic: str, cluster: str, topic_id: str, partition: int, n: int
) -> None:
    log = keys.LogId(pipeline, topic, cluster, topic_id, partition)
    try:
        entry = keys.entry_key(log, n)
    except ValueError:
        assume(False)
    parsed = keys.parse_log_key(entry)
    assert parsed == keys.LogKey(log, n, None)
    assert keys.parse_log_key(keys.segment_key(log, n)) == keys.LogKey(log, None, n)
    assert keys.parse_log_key(keys.pointer_key(log)) == keys.LogKey(log, None, None)
    assert keys.parse_marker_key(keys.marker_key(log)) == log
    assert_safe(entry, "_log")
    assert_safe(keys.marker_key(log), "_topics")
    assert_safe(keys.topic_key(pipeline, topic, SourceId(cluster, topic_id)), "_topics")
    assert keys.parse_marker_key(keys.topic_key(pipeline, topic, SourceId(cluster, topic_id))) is None


@settings(deadline=None)
@given(
    pipeline=NAMES,
    topic=NAMES,
    partition=st.integers(0, 10**6),
    start=OFFSETS,
    end=OFFSETS,
    day=st.dates().map(str),
    epoch=st.integers(0, 10**9),
    nonce=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)
def test_file_keys_come_back(
    pipeline: str, topic: str, partition: int, start: int, end: int, day: str, epoch: int, nonce: str
) -> None:
    assume(fits(pipeline, topic))
    data = keys.data_key(pipeline, topic, partition, start, end, day, epoch, nonce)
    bad = keys.bad_key(pipeline, topic, partition, start, end, epoch, nonce)
    assert_safe(data, "data")
    assert_safe(bad, "bad")
    assert keys.parse_file_key(data) == keys.FileKey(pipeline, "data", topic, partition, start, end, day, epoch, nonce)
    assert keys.parse_file_key(bad) == keys.FileKey(pipeline, "bad", topic, partition, start, end, None, epoch, nonce)
    assert keys.parse_log_key(data) is None


def test_a_name_too_long_for_a_file_system_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        keys.quote("ü" * 100)
    keys.quote("t" * 249)  # the longest topic that Kafka allows


def test_other_keys_are_nobodys() -> None:
    for key in ("flights/contracts/ab.yaml", "x", "flights/_log/t/c.t/00000/1.json", "flights/data/t/00000/x.parquet"):
        assert keys.parse_log_key(key) is None
        assert keys.parse_file_key(key) is None


def test_layout_on_disk() -> None:
    log = keys.LogId("flights", "departures", "MkU3", "aQ", 3)
    assert keys.entry_key(log, 7) == "flights/_log/departures/MkU3.aQ/00003/00000000000000000007.json"
    assert keys.supervisor_key("flights", 2) == "flights/_supervisors/00000000000000000002.json"
    assert keys.contract_key("flights", "ab", "json-schema") == "flights/contracts/ab.json"
    assert keys.data_key("flights", "departures", 3, 0, 9, "2013-01-01", 2, "ab") == (
        "flights/data/departures/00003/00000000000000000000-00000000000000000009-2013-01-01-e2-ab.parquet"
    )
