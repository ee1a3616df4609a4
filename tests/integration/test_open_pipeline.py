"""A pipeline as a notebook has it: what the gate kept back, and what moved, is looked at without the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline import open_pipeline
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime.drift.baselines import dataset_baseline
from ray_pipeline.types import Outcome
from tests.gate_lake import GateLake

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: sales
version: 1.0.0
status: active
schema:
  - name: sales
    logicalType: object
    properties:
      - {name: at, logicalType: timestamp, required: true}
      - {name: price, logicalType: number, required: true}
    quality:
      - {id: paid, type: sql, query: "SELECT COUNT(*) FROM ${table} WHERE price < 0", mustBe: 0}
      - {id: enough, metric: rowCount, mustBeGreaterOrEqualTo: 3}
customProperties:
  - {property: eventTime, value: at}
"""


def test_what_was_kept_back_is_let_through_with_a_reason(tmp_path: Path):
    lake = GateLake(tmp_path, {"sales": CONTRACT})
    lake.land("sales", [{"at": "2013-02-04T10:00:00Z", "price": price} for price in (1, 2, -3)])
    lake.land("sales", [{"at": "2013-02-05T10:00:00Z", "price": 1}])
    pipeline = open_pipeline(lake.config)

    first = pipeline.gate()
    assert first.outcome is Outcome.BROKEN
    assert [(day.day, day.reasons) for day in pipeline.held()] == [("2013-02-05", ("enough",))]
    [row] = pipeline.quarantine("sales")
    assert [reason.check for reason in row.reasons] == ["paid"]

    held = pipeline.release_held("sales", "2013-02-05", reason="a holiday")
    quarantined = pipeline.release_quarantine("sales", reason="a refund", check="paid", waive=True)
    assert (held.reason, quarantined.reason) == ("a holiday", "a refund")
    assert pipeline.gate().outcome is Outcome.HELD
    table = pipeline.curated("sales")
    assert table is not None
    assert table.info()["rows"] == 4
    assert pipeline.held() == pipeline.quarantine("sales") == []


def test_a_report_prints_as_the_command_line_does_and_its_repr_is_one_line(tmp_path: Path):
    lake = GateLake(tmp_path, {"sales": CONTRACT})
    report = open_pipeline(lake.config).gate(run_id="nothing-yet")
    assert repr(report) == "<GateRunReport 'nothing-yet': HELD, sales>"
    assert "Nothing has landed yet" in str(report)
    assert "<script" not in report._repr_html_()


DAILY = "drift: {window_days: 1, alpha: 0.1, min_rows: 20}"


def test_what_moved_is_watched_shown_and_explained(tmp_path: Path):
    lake = GateLake(tmp_path, {"sales": CONTRACT}, more=DAILY)
    for day in range(1, 17):  # from the 15th on every price is ten times what it was
        rows = [
            {"at": f"2013-02-{day:02}T10:00:00Z", "price": (1 if day < 15 else 10) * (one % 7)} for one in range(40)
        ]
        lake.land("sales", rows)
    lake.land("sales", [{"at": "2013-02-20T10:00:00Z", "price": 1}])
    dataset_baseline(lake.config, "sales", "2013-02-01", "2013-02-15", who="a test")
    pipeline = open_pipeline(lake.config)

    assert pipeline.drift_status("sales").outcome is Outcome.UNKNOWN, "no window was closed yet"
    watched = pipeline.drift_watch()
    assert [one.verdict.drift for one in watched.closed[:2]] == [True, True]
    assert pipeline.drift_watch().closed == (), "once and for all"
    status = pipeline.drift_status()
    assert status.outcome is Outcome.BROKEN
    explained = pipeline.drift_explain("sales", window="2013-02-16")
    [column] = explained.columns
    assert (column.verdict.name, column.since) == ("price", "2013-02-15")
    for shown in (watched, status, explained):
        assert "sales" in shown._repr_html_()


def test_a_loop_without_a_spec_or_a_champion_says_so(tmp_path: Path):
    pipeline = open_pipeline(GateLake(tmp_path, {"sales": CONTRACT}).config)
    for asked in (pipeline.retrain_step, pipeline.retrain_status, pipeline.retrain_log):
        with pytest.raises(RayPipelineError, match=r"retrain\.spec"):
            asked()
