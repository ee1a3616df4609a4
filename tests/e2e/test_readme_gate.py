"""The README's chapter on the gate says the truth: its sessions print what they show, its tables come from the code."""

from __future__ import annotations

import json
import re

import pytest

from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.gate.lease import DURATION
from ray_pipeline.runtime.jobs.day_views import PATIENCE
from ray_pipeline.runtime.jobs.measure_pass import LOCAL_BYTES
from tests.e2e import readme_gate_facts
from tests.e2e.conftest import DemoRun, Run
from tests.e2e.readme_blocks import README, Block, blocks, chapter

WIDTH = "104"
"""Of the terminal that the page shows."""
SESSIONS = [block for block in chapter("The gate", blocks("console")) if block.session]
_VARIES = (
    (r"\S*/lake/flights/", "LAKE/"),
    (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r'("snapshot_id": )\d+', r"\1N"),
    (r"in \d+ files?", "in FILES"),
    (r"released by \S+", "released by SOMEBODY"),
    (r"[▁-█]+", "TREND"),
    (r"(Latency of \w+) +[\d.]+ \w+", r"\1 SPAN"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)
"""What differs from run to run: names, numbers of files, and what depends on when records were read."""


@pytest.fixture(scope="module")
def left(demo: DemoRun) -> DemoRun:
    """The lake as the demo left it. The sessions are one story: each goes on where the one before it ended."""
    demo.restore()
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
def test_what_the_page_shows_of_the_demos_gate_is_what_the_demo_prints(demo: DemoRun):
    [block] = [block.text for block in blocks("text") if "What became of every record" in block.text]
    shown = block[block.index("The counts are those that the seed foretells.") : block.index("…\nWhat became features")]
    printed = demo.ran.out[demo.ran.out.index("The counts are") : demo.ran.out.index("\nGate report ")]
    assert re.fullmatch(_pattern(shown), _steady(printed)), printed


def test_the_sessions_tell_of_the_day_and_the_rows_that_the_plan_foretells():
    told = "".join(block.text for block in SESSIONS)
    fates = DemoPlan().fates()
    [(day, rows)] = fates["departures"].held.items()
    assert f"departures {day}: held, {rows} rows" in told
    assert f"--at {DemoPlan().ends_at:%Y-%m-%dT%H:%M:%SZ}" in told
    [counts] = [json.loads(line) for line in told.splitlines() if line.startswith('{"metadata"')]
    assert counts.keys() == {"metadata", "snapshot_id", "rows", "quarantined", "held"}
    assert counts["rows"] == fates["departures"].published + rows
    assert counts["held"] == sum(fates["departures"].waiting.values())


@pytest.mark.parametrize("table", ["judged", "terms"])
def test_a_table_is_made_from_the_code(table: str):
    """Print it again with ``python -m tests.e2e.readme_gate_facts``."""
    assert "\n".join(getattr(readme_gate_facts, table)()) in README.read_text()


def test_every_entry_that_the_code_judges_is_in_the_table():
    named = set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in readme_gate_facts.judged()[2:])))
    named -= {"engine: ray-pipeline", "SELECT COUNT(*) FROM ${table} WHERE …"}
    assert named == readme_gate_facts.entries_that_are_judged()


def test_severities_are_those_that_the_page_says():
    text = " ".join(README.read_text().split())
    assert "Severity `error` is the default of quality rules and relationships, `warning` of service levels" in text
    service_levels = {"latency", "freshness", "frequency", "completeness", "errorRate", "retention"}
    found = readme_gate_facts.severities()
    assert {name for name, severity in found.items() if severity == "warning"} == service_levels
    assert set(found.values()) == {"error", "warning"}


def test_limits_are_those_of_the_code():
    text = " ".join(README.read_text().split())
    assert f"up to {LOCAL_BYTES >> 20} MiB of new Parquet" in text
    assert f"after {PATIENCE.total_seconds() / 3600:.0f} hours" in text
    assert DURATION.total_seconds() == 300
    assert "lease runs out after five minutes" in text


def _steady(text: str) -> str:
    for varying, name in _VARIES:
        text = re.sub(varying, name, text, flags=re.MULTILINE)
    return text


def _pattern(shown: str) -> str:
    """A line of three dots stands for any number of lines that the page leaves out."""
    parts = re.split(r"^…\n", _steady(shown), flags=re.MULTILINE)
    return "(?:.*\n)*".join(re.escape(part) for part in parts)
