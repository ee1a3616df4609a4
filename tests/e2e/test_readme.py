"""The README says the truth: its blocks run, and its tables are what the code says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ray_pipeline import lint, load_config
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.types import Outcome
from tests.e2e import readme_facts
from tests.e2e.conftest import BIN, DemoRun, Run
from tests.e2e.readme_blocks import FEATURE_DEFINITIONS, README, REPOSITORY, Block, blocks

RUNNABLE = [block for block in blocks("bash", "python") if block.text not in FEATURE_DEFINITIONS]
SECRETS = {"KAFKA_PASSWORD": "p", "S3_KEY": "k", "S3_SECRET": "s", "CATALOG_CREDENTIAL": "c"}


def test_every_block_is_of_a_kind_that_is_checked():
    assert {block.language for block in blocks()} == {
        *("text", "console", "bash", "python", "yaml", "crontab", "mermaid"),
    }
    assert all(block.commands for block in blocks("console"))


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_a_block_runs_on_what_the_demo_left(block: Block, demo: DemoRun, run: Run):
    text = block.text.replace(".venv/bin/", f"{BIN}/")
    command = ["bash", "-euo", "pipefail", "-c", text] if block.language == "bash" else [sys.executable, "-c", text]
    ran = run(command, LAKE=demo.lake)
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    assert ran.out


def test_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    named = set(re.findall(r"[`$] ?make ([a-z]+)", README.read_text()))
    assert {"demo", "test", "check", "bench", "lock", "simulate"} <= named
    assert named - set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) == set()


def test_every_other_command_is_run_on_a_cluster():
    """Those with their output are run in ``test_readme_gate.py``, ``_features.py`` and ``_model.py``."""
    silent = [block for block in blocks("console") if not block.session]
    others = {c.split()[0] for block in silent for c in block.commands if not c.startswith("make ")}
    assert others == {"ray", "ray-pipeline"}, "tests/e2e/test_readme_on_a_cluster.py runs these"


def test_the_table_is_what_the_seed_foretells():
    [text] = [block.text for block in blocks("text") if "What became of every record" in block.text]
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.partition("What the gate made")[0].splitlines():
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if len(cells) == 6:  # the rate, which differs from run to run, is the last but one
            name = cells[0] or name
            counts, rules = cells[1:4], cells[5]
            found[name] = [*counts, rules] if cells[0] else [*found[name][:3], f"{found[name][3]} {rules}"]
    expected = DemoPlan().expected()
    assert set(found) == set(expected)
    for topic, want in expected.items():
        read, landed, dead, rules = found[topic]
        assert (read, landed, dead) == (f"{want.read:,}", f"{want.landed:,}", f"{want.dead_lettered:,}")
        assert dict(re.findall(r"(\S+) (\d+)", rules)) == {rule: str(n) for rule, n in want.by_rule.items()}
    assert "The counts are those that the seed foretells." in text


@pytest.mark.parametrize("table", ["configuration", "codes", "metrics", "commands"])
def test_a_table_is_made_from_the_code(table: str):
    """Print it again with ``python -m tests.e2e.readme_facts``."""
    assert "\n".join(getattr(readme_facts, table)()) in README.read_text()


def test_dead_letter_headers_are_those_that_are_written():
    assert set(re.findall(r"`(__[a-z_.]+)`", README.read_text())) == readme_facts.header_names()


def test_exit_codes_are_those_of_the_command_line():
    section = README.read_text().partition("| code | meaning |\n|---|---|\n| 0 |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d) \|", section, re.MULTILINE) == [str(int(code)) for code in Outcome][1:]
    assert "| 130, 141 |" in section


def test_the_contract_is_sound(tmp_path: Path):
    [text] = [block.text for block in blocks("yaml") if "kind: DataContract" in block.text]
    file = tmp_path / "weather.odcs.yaml"
    file.write_text(text)
    assert lint(file) == ()


def test_the_contract_is_shortened_from_the_real_one():
    [text] = [block.text for block in blocks("yaml") if "kind: DataContract" in block.text]
    real = yaml.safe_load((REPOSITORY / "contracts/flights/weather.odcs.yaml").read_text())
    assert _missing(yaml.safe_load(text), real) == []


def test_the_configuration_is_the_shipped_file(tmp_path: Path):
    [text] = [block.text for block in blocks("yaml") if "bootstrap.servers" in block.text]
    shipped = REPOSITORY / "configs/kafka-s3.yaml"
    assert shipped.read_text().endswith(text)
    config = load_config(shipped, environ=SECRETS)
    assert config.ingest == load_config(REPOSITORY / "configs/local.yaml", environ={}).ingest, (
        "the defaults, as it says"
    )


def test_a_diagram_has_no_line_break_that_mermaid_would_show_as_text():
    [diagram] = blocks("mermaid")
    assert diagram.text.startswith("flowchart ")
    assert "\\n" not in diagram.text
    for opening, closing in ("()", "[]"):
        assert diagram.text.count(opening) == diagram.text.count(closing)


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert [t for t in targets if not t.startswith("https://") and not (REPOSITORY / t).exists()] == []
    titles = re.findall(r"^#+ (.*)$", README.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", README.read_text())) <= anchors


def test_validate_prints_the_json_that_programs_read():
    """One object per invalid line, then the totals."""
    contract = REPOSITORY / "contracts/flights/weather.odcs.yaml"
    done = subprocess.run(
        [BIN / "ray-pipeline", "validate", contract, "-", "--output", "json"],
        input=b'{"origin": "BOS"}\nnot json\n',
        capture_output=True,
        check=False,
    )
    *lines, totals = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == Outcome.BROKEN
    assert [line["line"] for line in lines] == [1, 2]
    assert lines[0]["violations"][0].keys() == {"path", "rule", "schema_path"}
    assert totals == {"records": 2, "valid": 0, "invalid": 2}


def _missing(part: object, whole: object, at: str = "") -> list[str]:
    """Return where ``part`` says something that ``whole`` does not; lists are matched by name."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [m for key in part for m in _missing(part[key], whole.get(key), f"{at}/{key}")]
    if isinstance(part, list) and isinstance(whole, list):
        named = {item[k]: item for item in whole for k in ("name", "property", "value") if k in item}
        return [
            m
            for item in part
            for name in [next(item[k] for k in ("name", "property", "value") if k in item)]
            for m in _missing(item, named.get(name), f"{at}/{name}")
        ]
    return [] if part == whole else [f"{at}: {part!r} instead of {whole!r}"]
