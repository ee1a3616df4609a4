"""The README's chapter on features says the truth: its sessions print what they show, its tables come from the code."""

from __future__ import annotations

import re

import pytest

from ray_pipeline.demo.features import question_of
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.hops import HOPS, MINUTE
from ray_pipeline.features.reading import Status
from tests.e2e import readme_features_facts
from tests.e2e.conftest import DemoRun, Run
from tests.e2e.readme_blocks import FEATURE_DEFINITIONS, README, REPOSITORY, Block, blocks, chapter

WIDTH = "104"
"""Of the terminal that the page shows."""
SESSIONS = [block for block in chapter("Features", blocks("console")) if block.session]
BEFORE = (
    'ray-pipeline held release departures 2013-02-20 --reason "kilometres, and we use the route"',
    "ray-pipeline gate departures --at 2013-02-25T10:00:00Z",
)
"""What the chapter on the gate did last."""
_VARIES = (
    (r"\S*/lake/flights/", "LAKE/"),
    (r"[\d,]+ days ago", "DAYS ago"),
    (r"snapshot \d+", "snapshot N"),
    (r"([0-9a-f]{20})-[0-9a-f]{12}", r"\1-MANIFEST"),
    (r"SHA-256 [0-9a-f]+", "SHA-256 DIGEST"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)
"""What differs from run to run: names, and what hangs on the day it is. The content of a training set does not."""


@pytest.fixture(scope="module")
def left(demo: DemoRun, run: Run) -> DemoRun:
    """The lake as the chapter on the gate leaves it. The sessions are one story."""
    demo.restore()
    for command in BEFORE:
        assert command in README.read_text()
        ran = run(["bash", "-c", command], LAKE=demo.lake)
        assert ran.code == 0, ran.err
    return demo


@pytest.mark.ray
@pytest.mark.timeout(600)
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


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_what_the_page_shows_of_the_demos_features_is_what_the_demo_prints(demo: DemoRun):
    [block] = [block.text for block in blocks("text") if "What became features" in block.text]
    shown = block[block.index("What became features") : block.index("\nModel ")]
    printed = demo.ran.out[demo.ran.out.index("What became features") : demo.ran.out.index("\nModel ")]
    assert re.fullmatch(_pattern(shown), _steady(printed)), printed


def test_the_question_is_the_demos_own():
    asked = question_of(DemoPlan())
    [block] = chapter("Features", [one for one in blocks("python") if one.text not in FEATURE_DEFINITIONS])
    for name in ("origin", "destination", "carrier", "tail_number"):
        assert f'"{name}": "{asked[name]}"' in block.text
    leaves = asked["scheduled_departure_at"]
    assert f"datetime({leaves:%Y, %-m, %-d, %-H}, tzinfo=UTC)" in block.text
    ends = DemoPlan().ends_at
    assert f"as_of=datetime({ends:%Y, %-m, %-d, %-H}, tzinfo=UTC)" in block.text


def test_the_view_is_an_excerpt_of_the_definitions():
    [block] = [one for one in chapter("Features", blocks("python")) if one.text in FEATURE_DEFINITIONS]
    assert block.text.rstrip().endswith(")")
    assert "window=timedelta(hours=2)" in block.text


@pytest.mark.parametrize("table", ["aggregates", "statuses"])
def test_a_table_is_made_from_the_code(table: str):
    """Print it again with ``python -m tests.e2e.readme_features_facts``."""
    assert "\n".join(getattr(readme_features_facts, table)()) in README.read_text()


def test_every_aggregate_and_every_status_is_in_the_tables():
    assert set(readme_features_facts.functions()) == set(Kind)
    named = "\n".join(readme_features_facts.statuses())
    assert all(f"| `{one}` |" in named for one in Status)


def test_numbers_are_those_of_the_code():
    text = " ".join(README.read_text().split())
    assert f"hops of a {HOPS}th of the window, one minute at least" in text
    assert MINUTE == 60_000_000
    settings = (REPOSITORY / "configs/flights/feature_store.yaml").read_text()
    assert "clock: replay" in settings
    assert "retain_seconds:" in settings


def _steady(text: str) -> str:
    for varying, name in _VARIES:
        text = re.sub(varying, name, text, flags=re.MULTILINE)
    return text


def _pattern(shown: str) -> str:
    """A line of three dots stands for any number of lines that the page leaves out."""
    parts = re.split(r"^…\n", _steady(shown), flags=re.MULTILINE)
    return "(?:.*\n)*".join(re.escape(part) for part in parts)
