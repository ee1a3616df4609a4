"""The README's chapter on the model says the truth: sessions print what they show, tables come from the code."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.demo.plan import PARTITIONS
from ray_pipeline.model.spec import read_model_spec
from ray_pipeline.runtime.predictions import request as requests
from ray_pipeline.runtime.predictions.performance import DEADLINE_HOURS
from ray_pipeline.serve.refusal import Refusal
from tests.e2e import readme_model_facts
from tests.e2e.conftest import BIN, DemoRun, Run
from tests.e2e.readme_blocks import README, REPOSITORY, Block, blocks, chapter

WIDTH = "104"
"""Of the terminal that the page shows."""
CHAPTER = "A model that can be trusted"
SESSIONS = [block for block in chapter(CHAPTER, blocks("console")) if block.session]
BEFORE = (
    'ray-pipeline held release departures 2013-02-20 --reason "kilometres, and we use the route"',
    "ray-pipeline gate departures --at 2013-02-25T10:00:00Z",
    "ray-pipeline features build",
    "ray-pipeline training-set build configs/flights/late_arrival.yaml",
)
"""What the chapters on the gate and on features did last."""
UP, ASKED = "ray-pipeline serve up", "asked.jsonl"
SECONDS = 120.0
_VARIES = (
    (r"\S*/lake/flights/", "LAKE/"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\(process \d+\)", "(process N)"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"([0-9a-f]{20})-[0-9a-f]{12}", r"\1-MANIFEST"),
    (r"snapshot \d+", "snapshot N"),
    (r", file [0-9a-f]{12}", ", file DIGEST"),
    (r"\S+T\S+\.\d{6}Z  (challenger|champion)", r"WHEN \1"),
    (r"by \S+@\S+:", "by SOMEBODY:"),
    (r"other:\s+median\s+\d+\s+ms,\s+95\s+%\s+within\s+\d+\s+ms,\s+for\s+the\s+one\s+who\s+asks\.", "other: TIMES."),
    (r"[ \t]+", " "),
    (r" +$", ""),
)
"""What differs from run to run: names, moments, and how fast the machine was. What a model says does not."""


@dataclass(frozen=True)
class Story:
    """The lake as the chapter on features leaves it, and brokers for the answers. The sessions are one story."""

    demo: DemoRun
    broker: EmbeddedBroker
    folder: Path
    served: list[Served]

    def typed(self, command: str) -> str:
        """A command of the page, with this lake's address and file for the page's."""
        found = command.replace(ASKED, str(self.folder / ASKED))
        return found.replace("http://127.0.0.1:8000", self.served[-1].url) if self.served else found


class Served:
    """`serve up`, in the foreground of a terminal of its own."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --set serve.port=0"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        assert self._process.stdout is not None
        watch = threading.Timer(SECONDS, self._process.kill)
        watch.start()
        for line in self._process.stdout:
            self.said += line
            if line.startswith("ready: "):
                break
        watch.cancel()
        found = re.search(r"http://[\d.]+:\d+", self.said)
        assert found, self.said
        self.url = found[0]

    def end(self) -> int:
        """Wait for its end; ask for it where nobody has."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=SECONDS)
        return self._process.returncode


@pytest.fixture(scope="module")
def story(demo: DemoRun, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    demo.restore()
    for command in BEFORE:
        assert command in README.read_text()
        ran = run(["bash", "-c", command], LAKE=demo.lake)
        assert ran.code == 0, ran.err
    with EmbeddedBroker(PARTITIONS) as broker:
        found = Story(demo, broker, tmp_path_factory.mktemp("asked"), [])
        try:
            yield found
        finally:
            for one in found.served:
                one.end()


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_a_session_prints_what_the_page_shows(block: Block, story: Story, run: Run):
    for command, shown in block.session:
        if command == UP:
            environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
            environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
            environment |= {"LAKE": story.demo.lake, "KAFKA": story.broker.bootstrap_servers}
            story.served.append(Served(UP, environment))
            printed, errors = story.served[-1].said, ""
        else:
            ran = run(["bash", "-c", story.typed(command)], LAKE=story.demo.lake, COLUMNS=WIDTH)
            printed, errors = ran.out, ran.err
            assert ran.code == 0, errors
        assert "Traceback" not in errors
        assert re.fullmatch(_pattern(shown), _steady(printed)), f"{command} printed\n{printed}\n{errors}"


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_what_is_served_ends_well(story: Story):
    """After the sessions, the last of which takes it down."""
    assert [one.end() for one in story.served] == [0] * len(story.served)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_what_the_page_shows_of_the_demos_model_is_what_the_demo_prints(demo: DemoRun):
    [block] = [block.text for block in blocks("text") if "What became features" in block.text]
    shown = block[block.index("Model late_arrival/1") :]
    printed = demo.ran.out[demo.ran.out.index("Model late_arrival/1") : demo.ran.out.index("\nflights in ")]
    assert re.fullmatch(_pattern(shown), _steady(printed)), printed


def test_the_spec_is_the_shipped_one(tmp_path: Path):
    [block] = chapter(CHAPTER, blocks("yaml"))
    file = tmp_path / "late_arrival_model.yaml"
    file.write_text(block.text)
    shipped = read_model_spec(REPOSITORY / "configs/flights/late_arrival_model.yaml")
    assert read_model_spec(file).to_json() == shipped.to_json()


@pytest.mark.parametrize("table", ["statuses", "metrics"])
def test_a_table_is_made_from_the_code(table: str):
    """Print it again with ``python -m tests.e2e.readme_model_facts``."""
    assert "\n".join(getattr(readme_model_facts, table)()) in README.read_text()


def test_the_codes_of_a_wrong_field_are_those_of_the_code():
    given = set(re.findall(r'RequestError\(\s*"(\w+)"', inspect.getsource(requests)))
    assert set(readme_model_facts.FIELD_CODES) == given - {"not_an_object"}, (
        "a body that is no object is no JSON object"
    )
    assert {Refusal(code).status for code in readme_model_facts.FIELD_CODES} == {422}


def test_numbers_are_those_of_the_code():
    assert f"{DEADLINE_HOURS:g} hours after the moment asked" in README.read_text()


def _steady(text: str) -> str:
    for varying, name in _VARIES:
        text = re.sub(varying, name, text, flags=re.MULTILINE)
    return text


def _pattern(shown: str) -> str:
    """A line of three dots stands for any number of lines that the page leaves out."""
    parts = re.split(r"^…\n", _steady(shown), flags=re.MULTILINE)
    return "(?:.*\n)*".join(re.escape(part) for part in parts)
