"""The README's chapters on the loop say the truth: sessions print what they show, a schedule's lines are understood."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from ray_pipeline.cli import drift, retrain
from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.config.load import load_config
from ray_pipeline.demo.loop import USUAL
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.runtime.drift.metrics import NAMES, PREFIX
from tests.e2e.conftest import DemoRun, Run
from tests.e2e.readme_blocks import README, REPOSITORY, Block, blocks, chapter
from tests.e2e.readme_facts import table

WIDTH = "104"
"""Of the terminal that the page shows."""
CHAPTERS = ("The loop closes", "What to do when drift fires")
SESSIONS = [block for title in CHAPTERS for block in chapter(title, blocks("console")) if block.session]
_NUMBER = r"[+-]?[\d.,]+(?:e-\d+)?"
_VARIES = (
    (r"\S*/lake/flights/", "LAKE/"),
    (r"event time is at \S+", "event time is at MOMENT"),  # which partitions count as idle hangs on their last commits
    (r"its rows are in \d+ files?", "its rows are in FILES"),
    # What `drift compare` sees is one file of a day, and how many there are hangs on how fast ingest was.
    (rf"^(\w+ +(?:ks|chi2)) .*?(DRIFT +)?(?:{_NUMBER} sd)?(?:, missing .*)?$", r"\1 NUMBERS \2"),
    (r"\([\d,]+ rows before, [\d,]+ rows now\)", "(ROWS)"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)
"""What differs from run to run: names, how many files there are, how far the slowest partition is."""


@pytest.fixture(scope="module")
def left(demo: DemoRun) -> DemoRun:
    """The lake as the demo left it. The sessions are one story."""
    demo.restore()
    return demo


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_a_session_prints_what_the_page_shows(block: Block, left: DemoRun, run: Run):
    code = None
    for command, shown in block.session:
        if command == "echo $?":
            assert shown.strip() == str(code)
            continue
        ran = run(["bash", "-c", command], LAKE=left.lake, COLUMNS=WIDTH)
        code = ran.code
        assert "Traceback" not in ran.err
        assert re.fullmatch(_pattern(shown), _steady(ran.out)), f"{command} printed\n{ran.out}\n{ran.err}"


@pytest.mark.parametrize("app", [drift.app, retrain.app], ids=["drift", "retrain"])
def test_the_lines_of_a_schedule_are_understood(app: typer.Typer):
    """Options that do not exist, or a value that is none, would be refused here."""
    name = "drift" if app is drift.app else "retrain"
    [block] = [one for one in chapter(CHAPTERS[0], blocks("text")) if "ray job submit" in one.text]
    lines = [re.split(r"ray[-_]pipeline (?=drift|retrain)", line)[-1] for line in block.text.splitlines()]
    asked = [shlex.split(line)[1:] for line in lines if line.startswith(name)]
    assert len(asked) == 2
    group = typer.main.get_group(app)
    for verb, *options in asked:
        given = group.commands[verb].make_context(verb, list(options)).params
        assert given["config"].name == "kafka-s3.yaml"


def test_the_metrics_are_those_of_the_code():
    rows = [(f"`{PREFIX}{name}`", meaning) for name, meaning in NAMES.items()]
    assert "\n".join(table(("metric", "meaning"), rows)) in README.read_text()


def test_numbers_are_those_of_the_code():
    plan = DemoPlan()
    settings = load_config(REPOSITORY / "configs/local.yaml", environ={}).drift
    text = " ".join(README.read_text().split())
    assert f"up to {plan.start + USUAL}" in text
    assert f"Among {USUAL.days + 1} days no p is below 1/{USUAL.days + 1}" in text
    assert f"`alpha: {settings.alpha}`" in text
    assert 1 / (USUAL.days + 1) <= settings.alpha, "else no day of the demo could ever be called different"
    assert settings == DriftConfig(window_days=1, alpha=0.1, min_rows=50), "the rest is the defaults"


def test_the_steps_of_the_loop_are_those_of_its_ledger():
    told = "\n".join(line for line in README.read_text().splitlines() if line.startswith("| "))
    assert all(f"| {word}" in told for word in ("decide", "train", "judge", "promote, or refuse", "watch"))


def _steady(text: str) -> str:
    for varying, name in _VARIES:
        text = re.sub(varying, name, text, flags=re.MULTILINE)
    return text


def _pattern(shown: str) -> str:
    """A line of three dots stands for any number of lines that the page leaves out."""
    parts = re.split(r"^…\n", _steady(shown), flags=re.MULTILINE)
    return "(?:.*\n)*".join(re.escape(part) for part in parts)
