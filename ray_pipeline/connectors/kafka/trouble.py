"""What a Kafka client says about its brokers, as one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from ray_pipeline.errors import UsageError

_ADVICE = {
    KafkaError._AUTHENTICATION: "check sasl.mechanism, sasl.username and sasl.password",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check sasl.mechanism, sasl.username and sasl.password",
    KafkaError._SSL: "check ssl.ca.location and that the certificate names this host",
    KafkaError._RESOLVE: "check bootstrap.servers",
}
_DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "no right to this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "no right to this consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no right to this cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "no right to this transactional.id",
}
MISSING = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError._NOENT}
)
_INVALID_TOPIC = KafkaError.TOPIC_EXCEPTION
_LONGEST = 300

CLIENT_ERRORS = (KafkaException, SystemError)
"""What a call on a client may raise; see :func:`error_of`."""


class Trouble:
    """Listens to a client's ``error_cb``; remembers why no broker can be used, until :meth:`clear`.

    Such causes reach nobody else: a call on a client that cannot log in just times out.
    """

    def __init__(self) -> None:
        self._cause: KafkaError | None = None
        self.all_down = False

    def heard(self, error: KafkaError) -> None:
        """Take one global error; hand this method to librdkafka as ``error_cb``."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.all_down = True
        elif self._cause is None or error.code() in _ADVICE or self._cause.code() not in _ADVICE:
            self._cause = error

    def clear(self) -> None:
        """Forget: a broker answered."""
        self._cause, self.all_down = None, False

    @property
    def hopeless(self) -> bool:
        """Whether waiting will not help: every broker refused us by name."""
        return self.all_down and self._cause is not None and self._cause.code() in _ADVICE

    def reason(self, otherwise: str) -> str:
        """Return why no broker can be used."""
        if self._cause is None:
            return otherwise
        return explain(self._cause)


def explain(error: KafkaError) -> str:
    """Return what librdkafka says, without its bookkeeping, and what to check.

    >>> error = KafkaError(KafkaError._RESOLVE, "a:1/bootstrap: Failed to resolve 'a:1' (after 3ms in state UP)")
    >>> explain(error)
    "Failed to resolve 'a:1'; check bootstrap.servers"
    """
    text = re.sub(r"^\S+/(?:bootstrap|\d+): ", "", error.str()[: 2 * _LONGEST])
    text = re.sub(r" \(after \d+ms in state \w+[^)]*\)", "", text)[:_LONGEST]
    advice = _ADVICE.get(error.code())
    return f"{text}; {advice}" if advice else text


def error_of(raised: BaseException) -> KafkaError:
    """Return the ``KafkaError`` inside an exception of confluent_kafka.

    A fatal error that is raised while callbacks are served arrives as the cause of a ``SystemError``.
    """
    if isinstance(raised, SystemError) and raised.__cause__ is not None:
        raised = raised.__cause__
    if isinstance(raised, KafkaException) and raised.args and isinstance(raised.args[0], KafkaError):
        return raised.args[0]
    return KafkaError(KafkaError._FAIL, str(raised))


def denial(error: KafkaError) -> str | None:
    """Return the sentence for an answer that is a clear no, else None."""
    if error.code() in _DENIED:
        return f"{_DENIED[error.code()]}; ask for an ACL, or check the credential"
    if error.code() in MISSING:
        return "there is no such topic on these brokers, or no right to see it; check the name"
    if error.code() == _INVALID_TOPIC:
        return "this is no valid topic name"
    return None


def build(client: Callable[[dict[str, Any]], Any], settings: dict[str, str], trouble: Trouble) -> Any:
    """Construct a client whose errors reach ``trouble``; a setting that librdkafka refuses is named, not shown."""
    try:
        return client({**settings, "error_cb": trouble.heard})
    except KafkaException as raised:
        text = error_of(raised).str()
        shown = re.sub(r'value ".*?"', "value", text, flags=re.DOTALL)[:_LONGEST]
        named = re.search(r"\b[a-z]+(?:\.[a-z]+)+\b", shown)
        raise UsageError(f"kafka option {named.group() if named else '?'}: librdkafka refuses it: {shown}") from None
