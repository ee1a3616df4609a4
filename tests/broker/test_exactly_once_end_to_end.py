"""``ray-pipeline ingest --until-end`` on a real Kafka and a real S3 server, counted against the source itself."""

from __future__ import annotations

import json

import pytest

from tests.broker.kafka_records import produce_transaction, read_topic
from tests.broker.solo import run_solo
from tests.broker.support import bad, good, mixed, source_offset

pytestmark = pytest.mark.broker

POISON = {
    b"": "json.malformed",
    b"\xff\xfe\x00": "json.not-utf8",
    b"[" * 100_000: "json.too-deep",
    b'{"id": 1, "at": "2013-03-01T12:00:00Z", "amount": NaN}': "json.malformed",
    good(1) + good(2): "json.malformed",
    b"null": "record.not-object",
    b'{"id": 9223372036854775808, "at": "2013-03-01T12:00:00Z", "amount": 1}': "maximum",
    b'{"id": 1, "id": 2, "at": "2013-03-01T12:00:00Z", "amount": 1}': "json.duplicate-key",
    b"\x00\x00\x00\x00\x07" + good(3): "record.framed",
    b'{"id": 5, "at": "2013-03-01T12:00:00Z", "amount": 1, "x": "\\ud800"}': "json.malformed",
}


def test_what_lands_and_what_is_refused_is_what_the_source_holds(make_site, kafka):
    site = make_site(partitions=3)
    site.ingest = {"actors": "auto"}
    site.write_config()
    site.produce(mixed(900))
    site.produce([None, *POISON], partition=0, key=b"k", headers=[("h", b"\xff"), ("h", None)])
    produce_transaction(kafka.bootstrap, site.topic, mixed(20, first=1000), commit=True, partition=1)
    produce_transaction(kafka.bootstrap, site.topic, mixed(20, first=2000), commit=False, partition=1)
    produce_transaction(kafka.bootstrap, site.topic, mixed(20, first=3000), commit=False, partition=2)

    first = site.ingest_to_end()
    assert first.code == 0, first.err
    refused = {record.record.value for record in site.refused()}
    assert refused >= {None, *POISON}
    site.check(is_good)
    expected_bad = sum(number % 7 == 3 for number in [*range(900), *range(1000, 1020)]) + len(POISON) + 1
    counts = first.counts
    assert (counts["read"], counts["dead_lettered"]) == (920 + len(POISON) + 1, expected_bad)
    assert counts["landed"] == counts["read"] - counts["dead_lettered"]
    assert sum(counts["by_rule"].values()) == expected_bad
    rules = {record.record.value: record.record.violations[0].rule for record in site.refused()}
    assert {value: rules[value] for value in POISON} == POISON
    assert rules[None] == "record.tombstone"
    assert_letters_say_why(site)
    assert site.run("verify", "--brokers").code == 0

    before, landed = data_objects(site), site.landed()
    again = site.ingest_to_end()
    assert again.code == 0, again.err
    assert again.counts == {"read": 0, "landed": 0, "dead_lettered": 0, "by_rule": {}}
    assert (data_objects(site), site.landed()) == (before, landed)

    site.produce([good(5000), bad(5001), good(5002)])
    run_solo(site.pipeline.config)
    assert len(site.landed()) == len(landed) + 2
    site.check(is_good)


def is_good(value):
    return value is not None and value not in POISON and b"secret-of-a-person" not in value


def data_objects(site):
    return {key for key in site.objects() if "/data/" in key or "/bad/" in key}


def assert_letters_say_why(site):
    for letter in read_topic(site.bootstrap, site.dead_letter_topic, site.partitions):
        headers = dict(letter.headers())
        assert headers["__connect.errors.topic"] == site.topic.encode()
        assert int(headers["__connect.errors.partition"]) == letter.partition()
        assert (headers["__contract.id"], headers["__contract.version"]) == (b"urn:test:orders", b"1.0.0")
        violations = json.loads(headers["__contract.violations"])
        assert len(violations) == int(headers["__contract.violation_count"]) >= 1
        assert all(set(one) == {"path", "rule", "schema_path", "message"} for one in violations)
        assert headers["__contract.bad_file"].startswith(site.store.encode())
        assert b"secret-of-a-person" not in b"".join(value or b"" for value in headers.values())
        assert source_offset(letter) >= 0
