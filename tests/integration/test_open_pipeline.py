"""A pipeline as a notebook has it: what the gate kept back is looked at and let through without the command line."""

from __future__ import annotations

from pathlib import Path

from ray_pipeline import open_pipeline
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
