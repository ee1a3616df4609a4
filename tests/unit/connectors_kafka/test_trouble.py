from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from ray_pipeline.connectors.kafka.trouble import Trouble, denial, error_of, explain

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._TRANSPORT, "sasl_ssl://a:9/bootstrap: Connect failed: refused (after 3ms in state UP)")
PASSWORD = KafkaError(KafkaError._AUTHENTICATION, "a:9/bootstrap: SASL error: invalid credentials")


def test_a_wrong_password_is_not_hidden_by_what_follows_from_it():
    trouble = Trouble()
    for error in (REFUSED, PASSWORD, DOWN, REFUSED):
        trouble.heard(error)
    assert trouble.hopeless
    assert trouble.reason("?") == (
        "SASL error: invalid credentials; check sasl.mechanism, sasl.username and sasl.password"
    )


def test_a_refused_connection_may_pass():
    trouble = Trouble()
    trouble.heard(REFUSED)
    trouble.heard(DOWN)
    assert trouble.all_down
    assert not trouble.hopeless
    assert trouble.reason("?") == "Connect failed: refused"


def test_after_an_answer_nothing_is_left():
    trouble = Trouble()
    trouble.heard(PASSWORD)
    trouble.heard(DOWN)
    trouble.clear()
    assert not trouble.all_down
    assert not trouble.hopeless
    assert trouble.reason("no answer") == "no answer"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "no right to this topic"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no right to this transactional.id"),
        (KafkaError.TOPIC_EXCEPTION, "no valid topic name"),
    ],
)
def test_a_clear_no_has_a_sentence(code, words):
    assert words in (denial(KafkaError(code)) or "")


def test_what_may_pass_is_no_denial():
    assert denial(REFUSED) is None


def test_a_long_text_is_cut():
    assert len(explain(KafkaError(KafkaError._TRANSPORT, "x" * 5000))) < 400


def test_a_fatal_error_is_found_behind_the_error_of_a_callback():
    fenced = KafkaError(KafkaError._FENCED)
    hidden = SystemError("returned a result with an exception set")
    hidden.__cause__ = KafkaException(fenced)
    assert error_of(hidden).code() == KafkaError._FENCED
    assert error_of(KafkaException(fenced)) == fenced
    assert error_of(SystemError("other")).code() == KafkaError._FAIL
