"""``ray-pipeline demo``: real flights through the whole pipeline, on this machine, with no server to start."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.config import load_config
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.demo.plan import PARTITIONS, DemoPlan, Expected
from ray_pipeline.demo.publish import Published, publish
from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.ingest import IngestReport, ingest
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.verify_report import VerifyReport
    from ray_pipeline.runtime.reports import RunReport

MARKER = ".ray-pipeline-demo"
"""A file in the demo's folder: only a folder that holds it, or nothing, is ever replaced."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What one demo run did, and what the seed says that it must have done."""

    folder: Path
    config: PipelineConfig
    plan: DemoPlan
    published: Published
    expected: Mapping[str, Expected]
    ingested: IngestReport
    verified: VerifyReport
    seconds: float

    @property
    def surprises(self) -> tuple[str, ...]:
        """Counts that are not those that the seed foretells, as sentences; none is what must be."""
        found = []
        for name, counts in self.ingested.datasets.items():
            wanted = self.expected[name]
            for what, saw, want in (
                ("read", counts.read, wanted.read),
                ("landed", counts.landed, wanted.landed),
                ("dead-lettered", counts.dead_lettered, wanted.dead_lettered),
                ("by rule", dict(sorted(counts.by_rule.items())), dict(wanted.by_rule)),
            ):
                if saw != want:
                    found.append(f"{name}: {what} is {saw}, and the seed says {want}")
        return tuple(found)

    @property
    def outcome(self) -> Outcome:
        """HELD only if every count is the foretold one and ``verify`` holds."""
        if self.surprises:
            return Outcome.BROKEN
        return max(self.verified.outcome, self.ingested.outcome)


def run_demo(
    folder: Path,
    config_file: Path,
    *,
    plan: DemoPlan | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
    on_published: Callable[[Published, int], None] | None = None,
    on_progress: Callable[[RunReport], None] | None = None,
) -> DemoReport:
    """Publish the plan's records to an embedded broker, ingest them to the end, and verify what landed.

    ``folder`` is replaced, and nothing else is touched; raises ``UsageError`` where it holds anything that an
    earlier demo did not write. Landing times are the replay's: the publication time of the newest record read.
    """
    plan = plan or DemoPlan()
    began = time.monotonic()
    renew(folder)
    expected = plan.expected()
    total = sum(topic.read for topic in expected.values())
    dead_letters = {f"{topic}.dead-letters": partitions for topic, partitions in PARTITIONS.items()}
    with EmbeddedBroker({**PARTITIONS, **dead_letters}) as broker:
        config = load_config(
            config_file, [f"kafka.bootstrap.servers={broker.bootstrap_servers}", f"store={folder / 'lake'}"]
        )
        say(f"publishing {total:,} events of {plan.days} days from {plan.start} to an embedded broker")
        with Publisher(config.kafka) as publisher:
            published = publish(
                plan.records(),
                publisher.publish,
                (lambda so_far: on_published(so_far, total)) if on_published else None,
            )
        say("ingesting: Ray actors read the partitions, judge every record by its contract, land and commit")
        ingested = ingest(config, until_end=True, replay=True, on_progress=on_progress, on_message=say)
    say("verifying the lake from its objects alone")
    verified = _verify(config)
    return DemoReport(folder, config, plan, published, expected, ingested, verified, time.monotonic() - began)


def renew(folder: Path) -> None:
    """Make ``folder`` empty and ours."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder: name another one with --folder")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise UsageError(f"{folder} holds files that no demo wrote: name another one with --folder")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text("written by `ray-pipeline demo`, which replaces this folder at each run\n")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}): name another one with --folder") from None


def _verify(config: PipelineConfig) -> VerifyReport:
    from ray_pipeline.lake.verify import verify

    return verify(open_lake(config), config.pipeline)
