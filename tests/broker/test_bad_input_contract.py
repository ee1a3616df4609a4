"""A wrong contract must not fill the dead-letter topic: the partition pauses before it commits."""

from __future__ import annotations

import pytest

from tests.broker.kafka_records import read_topic
from tests.broker.solo import SoloFailedError, run_solo
from tests.broker.support import good

pytestmark = pytest.mark.broker


def paused(site):
    assert site.committed() == {0: 0, 1: 0}
    assert site.landed() == []
    assert read_topic(site.bootstrap, site.dead_letter_topic, 2) == []


@pytest.mark.ray
def test_a_wrong_contract_pauses_and_a_person_may_let_it_go_on(site):
    site.write_contract(amount="string")
    site.produce([good(number) for number in range(2400)])
    ended = site.ingest_to_end()
    assert ended.code == 1, ended.err
    assert "1000 of 1000 consecutive records are bad (by rule: type 1000)" in ended.err
    assert "resume orders --partition 0" in ended.err
    assert ended.counts["read"] == 0
    paused(site)
    resumed = site.run("resume", "orders")
    assert resumed.code == 0, resumed
    run_solo(site.pipeline.config)
    assert site.committed() == {0: 1200, 1: 1200}
    site.check(lambda _value: False)


def test_a_corrected_contract_goes_on_without_being_asked(site):
    site.write_contract(amount="string")
    site.produce([good(number) for number in range(2400)])
    with pytest.raises(SoloFailedError, match="consecutive records are bad"):
        run_solo(site.pipeline.config)
    paused(site)
    with pytest.raises(SoloFailedError, match="consecutive records are bad"):
        run_solo(site.pipeline.config)  # the same contract once more
    site.write_contract(version="1.0.1")
    run_solo(site.pipeline.config)
    assert len(site.landed()) == 2400
    site.check()
