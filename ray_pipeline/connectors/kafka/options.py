"""The settings of our Kafka clients: what a person may set, over our defaults, under what exactly once demands."""

from __future__ import annotations

from collections.abc import Mapping

from ray_pipeline.config.librdkafka import BOOTSTRAP, check_options, options_for

__all__ = ["BOOTSTRAP", "admin_settings", "brokers", "check_options", "consumer_settings", "producer_settings"]

Options = Mapping[str, object]
"""librdkafka names, unrenamed; :func:`check_options` has nothing to say about them."""

_QUIET = {
    "log_level": "0",  # else a client writes to stderr every second while a broker is down; error_cb tells us instead
    "log.queue": "true",  # and what is fatal is raised: it need not be written there either
    "enable.metrics.push": "false",
    "reconnect.backoff.max.ms": "2000",
    "topic.metadata.refresh.interval.ms": "30000",
    "socket.connection.setup.timeout.ms": "10000",
    "socket.keepalive.enable": "true",
    "socket.timeout.ms": "30000",
}
_CONSUMER = {
    "check.crcs": "true",
    "fetch.message.max.bytes": "1048576",
    "queued.max.messages.kbytes": "16384",
    "fetch.queue.backoff.ms": "50",  # default 1000: a full queue would idle for a second after it was drained
}
_CONSUMER_ALWAYS = {
    "allow.auto.create.topics": "false",
    "auto.offset.reset": "error",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",  # positions pass transaction markers, and bounded runs know the end
    "group.protocol": "classic",
    "isolation.level": "read_committed",
}
_PRODUCER = {
    "compression.type": "zstd",
    "delivery.timeout.ms": "30000",
    "linger.ms": "5",
    "transaction.timeout.ms": "60000",
}
_PRODUCER_ALWAYS = {"acks": "all", "enable.idempotence": "true"}
_ALIASES = {
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
    "message.timeout.ms": "delivery.timeout.ms",
}


def brokers(options: Options) -> str:
    """Return the brokers' address as a person wrote it, for messages."""
    return str(options[BOOTSTRAP])


def consumer_settings(options: Options, group: str) -> dict[str, str]:
    """Return the settings of a consumer that reads committed records from the offsets it is given, and no others."""
    chosen = _canonical(options_for("consumer", options))
    return {**_QUIET, **_CONSUMER, **chosen, **_CONSUMER_ALWAYS, "group.id": group}


def producer_settings(options: Options, transactional_id: str | None) -> dict[str, str]:
    """Return the settings of an idempotent producer; transactional where it has an id."""
    chosen = _canonical(options_for("producer", options))
    settings = {**_QUIET, **_PRODUCER, **chosen, **_PRODUCER_ALWAYS}
    if transactional_id is None:
        del settings["transaction.timeout.ms"]
        return settings
    for name in ("delivery.timeout.ms", "socket.timeout.ms"):  # librdkafka refuses one beyond the transaction's
        settings[name] = str(min(int(settings[name]), int(settings["transaction.timeout.ms"])))
    return {**settings, "transactional.id": transactional_id}


def admin_settings(options: Options) -> dict[str, str]:
    """Return the settings of a client that only asks."""
    return {**_QUIET, **options_for("admin", options)}


def _canonical(settings: dict[str, str]) -> dict[str, str]:
    """One name per option, so that a person's alias overrides our default instead of racing with it."""
    return {_ALIASES.get(key, key): value for key, value in settings.items()}
