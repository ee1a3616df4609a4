"""What the loop makes of the demo's days: a real verdict of each, and no decision that nothing asks for."""

from __future__ import annotations

import pytest

from ray_pipeline import open_pipeline
from ray_pipeline.demo.plan import PARTITIONS, DemoPlan
from tests.e2e.conftest import DemoRun
from tests.e2e.readme_blocks import REPOSITORY


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_loop_sees_the_day_that_was_planted_and_decides_nothing(demo: DemoRun):
    demo.restore()
    pipeline = open_pipeline(REPOSITORY / "configs/local.yaml", [f"store={demo.lake}"])
    status = pipeline.drift_status(now=DemoPlan().ends_at, errors=False)
    judged = [record for one in status.subjects for record in one.series]
    assert {record.verdict.subject for record in judged} == set(PARTITIONS)
    assert all(record.verdict.drift is not None for record in judged), "a real verdict of each day"
    [found] = [record.verdict for record in judged if record.verdict.drift]
    assert (found.subject, found.window.first) == ("departures", str(DemoPlan().kilometres_on))
    assert [column.name for column in found.moved] == ["distance_miles"]
    assert not any(record.alarm.fired for record in judged), "one day of three is no alarm"
    assert pipeline.retrain_log().entries == ()
