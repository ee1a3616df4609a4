from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.config.librdkafka import ALLOWED_OPTIONS, SECRET_OPTIONS, check_options, options_for
from ray_pipeline.connectors.kafka.options import admin_settings, consumer_settings, producer_settings
from ray_pipeline.connectors.kafka.trouble import Trouble, build
from ray_pipeline.errors import UsageError

BROKER = {"bootstrap.servers": "127.0.0.1:1"}


def _message(key: str, value: object, **how: bool) -> str:
    problems = dict(check_options({**BROKER, key: value}, **how))
    return problems.get(key, "")


def test_ordinary_options_pass():
    assert not check_options(
        {
            **BROKER,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "alice",
            "sasl.password": "x",
            "ssl.ca.location": "/ca.crt",
            "queued.max.messages.kbytes": 4096,
            "socket.keepalive.enable": True,
            "compression.type": "lz4",
        }
    )


def test_brokers_must_be_named():
    assert check_options({}) == [("bootstrap.servers", "is missing: host:port of one or more brokers")]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("bootstrap.server", "bootstrap.servers"),
        ("bootstrap_servers", "bootstrap.servers"),
        ("sasl.user", "sasl.username"),
        ("SSL.CA.Location", "ssl.ca.location"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_right_one(key, nearest):
    assert _message(key, "x") == f"unknown option; did you mean {nearest}?"


def test_an_option_like_no_other_is_still_refused():
    assert "not on the list" in _message("zzz", "x")


@pytest.mark.parametrize(
    "key", ["enable.auto.commit", "auto.offset.reset", "isolation.level", "group.id", "transactional.id", "acks"]
)
def test_what_exactly_once_rests_on_is_ours_even_where_unsafe_options_are_allowed(key):
    assert _message(key, "x", unsafe=True).startswith("ray_pipeline sets it: ")


@pytest.mark.parametrize("key", ["plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location"])
def test_what_runs_code_is_never_allowed(key):
    assert _message(key, "x", unsafe=True).startswith("refused: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("debug", "security"),
        ("enable.ssl.certificate.verification", False),
        ("enable.ssl.certificate.verification", "False"),
        ("ssl.endpoint.identification.algorithm", "none"),
        ("sasl.oauthbearer.token.endpoint.url", "http://169.254.169.254/"),
        ("check.crcs", "false"),
    ],
)
def test_what_weakens_the_connection_needs_the_unsafe_flag(key, value):
    assert "unsafe" in _message(key, value)
    assert not _message(key, value, unsafe=True)


def test_the_safe_values_of_the_same_options_pass():
    assert not _message("enable.ssl.certificate.verification", True)
    assert not _message("ssl.endpoint.identification.algorithm", "https")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("queued.max.messages.kbytes", 65536, "at most 16384"),
        ("topic.metadata.refresh.interval.ms", "300000", "at most 30000"),
        ("fetch.message.max.bytes", "lots", "whole number"),
        ("sasl.mechanism", "GSSAPI", "one of plain"),
        ("security.protocol", "tls", "one of plaintext"),
        ("client.id", {"a": 1}, "one plain value"),
        ("client.id", None, "one plain value"),
    ],
)
def test_a_wrong_value_is_said_without_showing_it(key, value, words):
    message = _message(key, value)
    assert words in message
    assert str(value) not in message


@given(key=st.text(max_size=40), value=st.text(alphabet="Q", min_size=12, max_size=20))
def test_every_other_option_is_refused_by_name_and_never_by_value(key, value):
    if key not in ALLOWED_OPTIONS:
        problems = check_options({**BROKER, key: value})
        assert [named for named, _ in problems] == [key]
        assert value not in problems[0][1]


def test_every_allowed_option_is_one_that_librdkafka_has():
    for key in sorted(ALLOWED_OPTIONS):
        try:
            Producer({**BROKER, "log_level": 0, key: "\x01"})
        except Exception as refused:
            assert "No such configuration property" not in str(refused), key
    assert SECRET_OPTIONS <= ALLOWED_OPTIONS


def test_each_client_gets_its_own_options():
    options = {**BROKER, "fetch.min.bytes": 7, "compression.type": "lz4", "socket.keepalive.enable": False}
    assert options_for("admin", options) == {**BROKER, "socket.keepalive.enable": "false"}
    assert options_for("consumer", options)["fetch.min.bytes"] == "7"
    assert "fetch.min.bytes" not in options_for("producer", options)


def test_settings_are_over_our_defaults_and_under_our_demands():
    settings = consumer_settings({**BROKER, "max.partition.fetch.bytes": 1000, "isolation.level": "x"}, "g")
    assert settings["fetch.message.max.bytes"] == "1000"
    assert "max.partition.fetch.bytes" not in settings
    assert settings["isolation.level"] == "read_committed"
    assert settings["auto.offset.reset"] == "error"
    assert settings["group.id"] == "g"


def test_librdkafka_takes_the_settings_without_a_word(capfd):
    options = {**BROKER, "transaction.timeout.ms": 20_000, "linger.ms": 1, "queued.min.messages": 10}
    Consumer(consumer_settings(options, "g")).close()
    Producer(producer_settings(options, "t"))
    Producer(producer_settings(options, None))
    AdminClient(admin_settings(options))
    assert producer_settings(options, "t")["delivery.timeout.ms"] == "20000"
    assert capfd.readouterr() == ("", "")


def test_what_librdkafka_refuses_is_named_and_not_shown():
    with pytest.raises(UsageError, match=r"kafka option socket\.timeout\.ms") as refused:
        build(Producer, {**BROKER, "socket.timeout.ms": "hunter2"}, Trouble())
    assert "hunter2" not in str(refused.value)
