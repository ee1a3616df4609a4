"""A part that is absent or denied: one clear sentence within 30 seconds, exit 3, and nothing that is secret."""

from __future__ import annotations

import socket
import time

import pytest

pytestmark = pytest.mark.broker


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_each_absent_part_is_named_in_one_sentence(make_site, secure_kafka):
    wrong = {
        "kafka": {"bootstrap.servers": f"127.0.0.1:{closed_port()}"},
        "password": {
            "bootstrap.servers": secure_kafka.secure_bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "pat",
            "sasl.password": "canary-of-kafka",
            "ssl.ca.location": str(secure_kafka.authority),
        },
        "topic": None,
        "bucket": None,
        "s3-secret": None,
        "s3": None,
    }
    sites = {name: make_site() for name in wrong}
    for name, options in wrong.items():
        if options:
            sites[name].write_config(kafka=options)
    one = sites["topic"]
    one.write_config(datasets={"orders": {"contract": "orders.odcs.yaml", "topic": "no-such-topic"}})
    sites["bucket"].write_config(store="s3://no-such-bucket/lake")
    sites["s3-secret"].write_config(store_options={**one.options, "secret": "canary-of-s3"})
    sites["s3"].write_config(store_options={**one.options, "endpoint_url": f"http://127.0.0.1:{closed_port()}"})

    began = time.monotonic()
    runs = {name: site.start("ingest", "--until-end") for name, site in sites.items()}
    ended = {name: live.wait(45) for name, live in runs.items()}
    assert time.monotonic() - began < 40
    said = {name: done.err.strip().splitlines() for name, done in ended.items()}
    assert {name: (done.code, len(said[name])) for name, done in ended.items()} == dict.fromkeys(wrong, (3, 1)), said
    parts = {
        "kafka": "no answer from Kafka at 127.0.0.1",
        "password": "no answer from Kafka at 127.0.0.1",
        "topic": "no-such-topic",
        "bucket": "no-such-bucket",
        "s3-secret": sites["s3-secret"].store,
        "s3": sites["s3"].store,
    }
    for name, part in parts.items():
        assert part in said[name][0]
    assert "canary" not in str(said)
