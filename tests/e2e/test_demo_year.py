"""`ray-pipeline demo --year --months 1-5`: no event is lost, both models judged on the same flights, and a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from ray_pipeline import load_config, open_pipeline
from ray_pipeline.demo.year_plan import YearPlan
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.types import Outcome
from tests.e2e.conftest import BIN, Ran, Run
from tests.e2e.readme_blocks import REPOSITORY
from tests.unit.report.test_model_page import assert_inert

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

MONTHS = 5
STAGES = ("publish", "ingest", "gate", "features", "train", "predict", "score", "drift", "retrain", "verify")


@dataclass(frozen=True)
class YearRun:
    """What the command said, and where its lake is."""

    ran: Ran
    folder: Path


@pytest.fixture(scope="module")
def year(run: Run, tmp_path_factory: pytest.TempPathFactory) -> YearRun:
    folder = tmp_path_factory.mktemp("year") / "demo"
    command = [str(BIN / "ray-pipeline"), "demo", "--year", "--months", f"1-{MONTHS}", "--folder", str(folder)]
    ran = run(command, timeout=800, PYTHONDONTWRITEBYTECODE=None)
    assert ran.code == 0, ran.err[-4000:]
    return YearRun(ran, folder)


def test_every_event_landed_and_every_answer_is_an_event(year: YearRun) -> None:
    pipeline = open_pipeline(load_config(REPOSITORY / "configs/year.yaml", environ={"LAKE": str(year.folder / "lake")}))
    for dataset, published in YearPlan(MONTHS).published.items():
        assert pipeline.read(dataset, ["_offset"]).num_rows == published
    answered = [int(one.replace(",", "")) for one in re.findall(r"answered ([\d,]+) questions", year.ran.err)]
    assert len(answered) == MONTHS - 3
    assert pipeline.read("predictions", ["_offset"]).num_rows == sum(answered)
    assert pipeline.verify(quick=True).outcome is Outcome.HELD


def test_the_table_has_every_month_and_the_seconds_of_every_stage(year: YearRun) -> None:
    out = year.ran.out
    for month in ("2013-04", "2013-05"):
        assert month in out
    assert "late_arrival/1, which stays, against the loop" in out
    assert "one flight of 3" in out
    [seconds] = re.findall(r"^Seconds by stage: (.*)$", out, re.MULTILINE)
    assert all(re.search(rf"\b{stage} \d", seconds) for stage in STAGES), seconds
    aucs = [float(one) for one in re.findall(r"0\.\d{4}", out)]
    assert aucs, "AUC and log loss of both models"


def test_the_page_is_one_file_that_fetches_nothing(year: YearRun) -> None:
    [uri] = re.findall(r"^Page +(file://\S+)$", year.ran.out, re.MULTILINE)
    page = Path(uri.removeprefix("file://"))
    assert page == year.folder / "year.html"
    html = page.read_text("utf-8")
    assert_inert(html)
    assert "2013-05" in html


def test_the_champion_is_who_the_loop_says_it_is(year: YearRun) -> None:
    pipeline = open_pipeline(load_config(REPOSITORY / "configs/year.yaml", environ={"LAKE": str(year.folder / "lake")}))
    registry = pipeline.models()
    moves = [one for one in registry.history("late_arrival") if one.alias == Alias.CHAMPION]
    assert moves[0].version == 1
    assert all(one.evidence for one in moves[1:]), "no promotion without its evidence"
    assert all(one.at.startswith("2013-") for one in moves), "the loop's clock is the replay's"
