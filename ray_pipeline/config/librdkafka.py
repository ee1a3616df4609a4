"""Which librdkafka options a person may set, and what to say about the others.

An allow-list, because some options run code (``plugin.library.paths`` calls dlopen, ``sasl.kerberos.kinit.cmd`` is a
shell command) and others would undo exactly once (``enable.auto.commit``). Messages name the option and never its
value: it may be a password in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal

Role = Literal["consumer", "producer", "admin"]

BOOTSTRAP = "bootstrap.servers"

SECRET_OPTIONS = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)
"""Options whose values must never be shown: for masked types and for masked output."""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_EVERY_CLIENT = _names(
    """
    bootstrap.servers client.id client.dns.lookup client.rack broker.address.family broker.address.ttl
    security.protocol sasl.mechanism sasl.mechanisms sasl.username sasl.password
    sasl.oauthbearer.method sasl.oauthbearer.client.id sasl.oauthbearer.client.credentials.client.id
    sasl.oauthbearer.client.secret sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.scope
    sasl.oauthbearer.extensions sasl.oauthbearer.grant.type sasl.oauthbearer.sub.claim.name
    sasl.oauthbearer.assertion.algorithm sasl.oauthbearer.assertion.claim.aud
    sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.iss
    sasl.oauthbearer.assertion.claim.jti.include sasl.oauthbearer.assertion.claim.nbf.seconds
    sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file
    sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase
    sasl.oauthbearer.assertion.private.key.pem sasl.oauthbearer.assertion.jwt.template.file
    ssl.ca.location ssl.ca.pem ssl.certificate.location ssl.certificate.pem ssl.key.location ssl.key.pem
    ssl.key.password ssl.keystore.location ssl.keystore.password ssl.crl.location ssl.cipher.suites
    ssl.curves.list ssl.sigalgs.list
    socket.timeout.ms socket.connection.setup.timeout.ms socket.keepalive.enable socket.nagle.disable
    socket.send.buffer.bytes socket.receive.buffer.bytes connections.max.idle.ms
    reconnect.backoff.ms reconnect.backoff.max.ms retry.backoff.ms retry.backoff.max.ms
    metadata.max.age.ms metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms
    topic.metadata.refresh.interval.ms enable.metrics.push
    enable.ssl.certificate.verification ssl.endpoint.identification.algorithm
    """
)
_CONSUMER = _names(
    """
    fetch.min.bytes fetch.wait.max.ms fetch.max.bytes fetch.message.max.bytes max.partition.fetch.bytes
    fetch.queue.backoff.ms fetch.error.backoff.ms queued.min.messages queued.max.messages.kbytes
    receive.message.max.bytes check.crcs
    """
)
_PRODUCER = _names(
    """
    compression.type compression.codec compression.level linger.ms queue.buffering.max.ms
    batch.num.messages request.timeout.ms delivery.timeout.ms message.timeout.ms
    transaction.timeout.ms
    """
)

_OURS = {
    "acks": "acks=all is part of exactly once",
    "request.required.acks": "acks=all is part of exactly once",
    "allow.auto.create.topics": "a misspelt topic must not come into being",
    "auto.commit.interval.ms": "the commit log holds the offsets",
    "auto.offset.reset": "an expired offset must stop the partition; ingest.start says where a first run begins",
    "batch.size": "the dead-letter topic's max.message.bytes decides",
    "enable.auto.commit": "the commit log holds the offsets",
    "enable.auto.offset.store": "the commit log holds the offsets",
    "enable.idempotence": "idempotence is part of exactly once",
    "enable.partition.eof": "bounded runs need it",
    "group.id": "it is made from the pipeline's name",
    "group.instance.id": "partitions are assigned by the supervisor, not by a group",
    "group.protocol": "partitions are assigned by the supervisor, not by a group",
    "group.remote.assignor": "partitions are assigned by the supervisor, not by a group",
    "isolation.level": "aborted records must not be read",
    "log.queue": "troubles are reported by ray_pipeline's own log",
    "log_level": "troubles are reported by ray_pipeline's own log",
    "max.in.flight": "idempotence bounds it",
    "max.in.flight.requests.per.connection": "idempotence bounds it",
    "max.poll.interval.ms": "partitions are assigned by the supervisor, not by a group",
    "message.max.bytes": "the dead-letter topic's max.message.bytes decides",
    "message.send.max.retries": "delivery.timeout.ms says how long to try",
    "metadata.broker.list": "its other name, bootstrap.servers, is the one to set",
    "partition.assignment.strategy": "partitions are assigned by the supervisor, not by a group",
    "partitioner": "a dead letter goes to its source's partition",
    "queue.buffering.max.kbytes": "dead letters are sent in bounded chunks",
    "queue.buffering.max.messages": "dead letters are sent in bounded chunks",
    "retries": "delivery.timeout.ms says how long to try",
    "session.timeout.ms": "partitions are assigned by the supervisor, not by a group",
    "heartbeat.interval.ms": "partitions are assigned by the supervisor, not by a group",
    "transactional.id": "it is made from pipeline, topic and partition",
}
_NEVER = {
    "plugin.library.paths": "it loads code into the process",
    "sasl.kerberos.kinit.cmd": "it is a shell command",
    "sasl.kerberos.keytab": "Kerberos is not built into confluent_kafka's wheel",
    "sasl.kerberos.principal": "Kerberos is not built into confluent_kafka's wheel",
    "sasl.kerberos.service.name": "Kerberos is not built into confluent_kafka's wheel",
    "ssl.engine.location": "it loads code into the process",
    "ssl.engine.id": "it loads code into the process",
    "ssl.providers": "it loads code into the process",
    "enable.sasl.oauthbearer.unsecure.jwt": "it accepts tokens that nobody signed",
    "test.mock.num.brokers": "use the embedded broker",
}
_UNSAFE = {
    "debug": "debug output shows credentials and records",
    "https.ca.location": "it decides whom the token request trusts",
    "https.ca.pem": "it decides whom the token request trusts",
    "sasl.oauthbearer.config": "it holds a token request's target or an unsigned token",
    "sasl.oauthbearer.token.endpoint.url": "whoever edits it makes this machine call any address",
    "sasl.oauthbearer.metadata.authentication.type": "it calls the cloud's metadata address",
}
_UNSAFE_VALUES = {
    "enable.ssl.certificate.verification": (("false", "f", "0"), "without it anyone can pose as the broker"),
    "ssl.endpoint.identification.algorithm": (("none",), "without it any certificate of the authority will do"),
    "check.crcs": (("false", "f", "0"), "without it broken bytes are taken for records"),
}
_AT_MOST = {
    "fetch.message.max.bytes": 1_048_576,
    "max.partition.fetch.bytes": 1_048_576,
    "queued.max.messages.kbytes": 16_384,
    "topic.metadata.refresh.interval.ms": 30_000,
    "metadata.max.age.ms": 900_000,
}
_ONE_OF = {
    "security.protocol": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "sasl.mechanism": ("plain", "scram-sha-256", "scram-sha-512", "oauthbearer"),
    "sasl.mechanisms": ("plain", "scram-sha-256", "scram-sha-512", "oauthbearer"),
    "sasl.oauthbearer.method": ("default", "oidc"),
}
ALLOWED_OPTIONS = _EVERY_CLIENT | _CONSUMER | _PRODUCER


def check_options(options: Mapping[str, object], *, unsafe: bool = False) -> list[tuple[str, str]]:
    """Return every option that is refused, as (key, what is wrong and what to do).

    ``unsafe`` lets pass what weakens the connection on purpose (no certificate check, debug output, a token
    endpoint); it never lets pass what loads code or what exactly once rests on.

    >>> check_options({"bootstrap.servers": "a:9092", "sasl.user": "pat"})
    [('sasl.user', 'unknown option; did you mean sasl.username?')]
    """
    problems = [] if options.get(BOOTSTRAP) else [(BOOTSTRAP, "is missing: host:port of one or more brokers")]
    for key, value in options.items():
        message = _refusal(str(key), value, unsafe)
        if message is not None:
            problems.append((str(key), message))
    return problems


def options_for(role: Role, options: Mapping[str, object]) -> dict[str, str]:
    """Return the options that concern one kind of client, as the text that librdkafka reads."""
    others = {"consumer": _PRODUCER, "producer": _CONSUMER, "admin": _PRODUCER | _CONSUMER}[role]
    return {key: _text(value) for key, value in options.items() if key not in others}


def _refusal(key: str, value: object, unsafe: bool) -> str | None:
    if key in _OURS:
        return f"ray_pipeline sets it: {_OURS[key]}"
    if key in _NEVER:
        return f"refused: {_NEVER[key]}"
    if key in _UNSAFE:
        return None if unsafe else f"refused unless unsafe options are allowed: {_UNSAFE[key]}"
    if key not in ALLOWED_OPTIONS:
        return f"unknown option{_nearest(key)}"
    if isinstance(value, Mapping | list | tuple | set) or value is None:
        return "must be one plain value"
    return _value_refusal(key, _text(value), unsafe)


def _value_refusal(key: str, text: str, unsafe: bool) -> str | None:
    lowered = text.strip().lower()
    if key in _UNSAFE_VALUES and not unsafe:
        values, reason = _UNSAFE_VALUES[key]
        if lowered in values:
            return f"this value is refused unless unsafe options are allowed: {reason}"
    if key == BOOTSTRAP:
        return _servers_refusal(text)
    if key in _ONE_OF and lowered not in _ONE_OF[key]:
        return f"must be one of {', '.join(_ONE_OF[key])}"
    if key.endswith((".ms", ".bytes", ".kbytes")) and not (lowered.isascii() and lowered.isdecimal()):
        return "must be a whole number"
    if key in _AT_MOST and int(lowered) > _AT_MOST[key]:
        return f"must be at most {_AT_MOST[key]}"
    return None


def _servers_refusal(text: str) -> str | None:
    """Say what is wrong with the list of brokers; it stands in messages, so no credential may hide in it."""
    if "@" in text:
        return "must not hold a credential: use sasl.username and sasl.password"
    for server in text.split(","):
        port = server.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) < 65_536 and not server.strip().endswith("]"):
            return f"{port} is no port: host:port of one or more brokers, with commas between them"
    return None


def _nearest(key: str) -> str:
    near = get_close_matches(key.lower().replace("_", ".").replace("-", "."), sorted(ALLOWED_OPTIONS), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; it is not on the list of librdkafka options that may be set"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
