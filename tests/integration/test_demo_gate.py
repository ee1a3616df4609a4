"""The gate does with the demo's records what the plan foretells, for other seeds, stretches and shares too."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from ray_pipeline.demo.events import TOPICS, Event
from ray_pipeline.demo.fates import Fate
from ray_pipeline.demo.partitions import partition_of
from ray_pipeline.demo.plan import PARTITIONS, DemoPlan
from ray_pipeline.demo.read_back import ReadBack, read_back
from ray_pipeline.demo.story import MOST, findings
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.runtime.curated import curated_table
from ray_pipeline.runtime.jobs.gate import GateRunReport, run_gate
from ray_pipeline.sla.result import Disposition
from tests.gate_lake import GateLake

CONTRACTS = Path(__file__).parents[2] / "contracts" / "flights"
PLANS = (
    DemoPlan(days=4, start=date(2013, 2, 9), kilometres_on=date(2013, 2, 11)),
    DemoPlan.of_days(1, seed=7, share=0.02),
    DemoPlan(days=2, seed=5, share=0.4, start=date(2013, 2, 8), kilometres_on=None),
    DemoPlan(days=1, share=0, start=date(2013, 7, 4), kilometres_on=None),
    DemoPlan(days=2, seed=3, share=0.1, start=date(2013, 11, 2), kilometres_on=date(2013, 11, 3)),
)


def landed(folder: Path, plan: DemoPlan) -> GateLake:
    """A lake with the plan's records, as the demo's ingest lands them."""
    lake = GateLake(folder, {topic: CONTRACTS / f"{topic}.odcs.yaml" for topic in TOPICS}, pipeline="flights")
    records: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for record in plan.records():
        records[record.topic, partition_of(record.key, PARTITIONS[record.topic])].append(record)
    for (topic, partition), some in records.items():
        lake.land(
            topic,
            [record.value or b"" for record in some],
            partition=partition,
            published=[record.timestamp_ms for record in some],
            committed_at=timestamp_text(plan.ends_at),
        )
    return lake


def fates(report: GateRunReport) -> dict[str, Fate]:
    return {
        found.dataset: Fate(
            found.published,
            found.quarantined,
            {day.day: day.held for day in found.days if day.disposition is Disposition.HELD},
            {day.day: day.held for day in found.days if day.disposition is Disposition.PENDING},
        )
        for found in report.datasets
    }


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.start}+{plan.days}")
def test_the_gate_does_what_the_seed_foretells(tmp_path: Path, plan: DemoPlan) -> None:
    lake = landed(tmp_path, plan)
    report = run_gate(lake.config, at=plan.ends_at)
    assert fates(report) == plan.fates()
    broken = any(fate.quarantined or fate.held for fate in plan.fates().values())
    assert int(report.outcome) == (1 if broken else 0)
    for topic, fate in plan.fates().items():
        assert read_back(curated_table(lake.config, topic)) == ReadBack(fate.published, fate.published)
    told, more = findings(report)
    assert more >= 0
    assert len(told) <= MOST
    assert {finding.fate for finding in told} <= {"held", "quarantined", "waiting", "warning"}
    assert ("held" in {finding.fate for finding in told}) == any(fate.held for fate in plan.fates().values())
