"""``ray-pipeline demo``: real flights through the whole pipeline, on this machine, with no server to start."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.config import load_config
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.errors import UsageError
from ray_pipeline.gate.keys import index_key
from ray_pipeline.runtime.ingest import IngestReport, ingest
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.sla.result import Disposition
from ray_pipeline.types import Outcome

from .fates import Fate
from .plan import PARTITIONS, DemoPlan, Expected
from .publish import Published, publish
from .read_back import ReadBack, read_back
from .timed import timed

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.demo.features import FeatureStory
    from ray_pipeline.demo.loop import LoopStory
    from ray_pipeline.demo.model import ModelStory
    from ray_pipeline.lake.verify_report import VerifyReport
    from ray_pipeline.runtime.jobs.gate import GateRunReport
    from ray_pipeline.runtime.jobs.measure_pass import Progress
    from ray_pipeline.runtime.reports import RunReport

PREDICTIONS, PARTITIONS_OF_PREDICTIONS = "predictions", 4

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
    fates: Mapping[str, Fate]
    gated: GateRunReport
    index: str
    """URI of the page that lists the gate's runs."""
    read_back: Mapping[str, ReadBack]
    features: FeatureStory
    model: ModelStory | None
    """None where the stretch is too short for a training set with rows in all its splits."""
    loop: LoopStory | None
    """None where there is no model."""
    verified: VerifyReport
    seconds: float
    timings: Mapping[str, float]
    """Seconds by step."""

    @property
    def surprises(self) -> tuple[str, ...]:
        """Counts that are not those that the seed foretells, as sentences; none is what must be."""
        return (
            *self._surprises_of_ingest(),
            *self._surprises_of_the_gate(),
            *self._surprises_of_the_features(),
            *(() if self.model is None else self.model.surprises()),
        )

    @property
    def foretold(self) -> Outcome:
        """What the gate must say: BROKEN where it must quarantine a row or hold a day."""
        return Outcome.BROKEN if any(fate.quarantined or fate.held for fate in self.fates.values()) else Outcome.HELD

    @property
    def outcome(self) -> Outcome:
        """HELD only if every count is the foretold one and ``verify`` holds; that the gate says BROKEN is foretold."""
        if self.surprises:
            return Outcome.BROKEN
        return max(self.verified.outcome, self.ingested.outcome)

    def held(self, dataset: str) -> dict[str, int]:
        """Return the days that the gate holds back, with their rows."""
        return self._kept(dataset, Disposition.HELD)

    def waiting(self, dataset: str) -> dict[str, int]:
        """Return the days that the gate has yet to see the end of, with their rows."""
        return self._kept(dataset, Disposition.PENDING)

    def _kept(self, dataset: str, disposition: Disposition) -> dict[str, int]:
        [found] = [one for one in self.gated.datasets if one.dataset == dataset]
        return {day.day: day.held for day in found.days if day.disposition is disposition}

    def _surprises_of_ingest(self) -> Iterator[str]:
        for name, counts in self.ingested.datasets.items():
            wanted = self.expected[name]
            yield from _differences(
                name,
                ("read", counts.read, wanted.read),
                ("landed", counts.landed, wanted.landed),
                ("dead-lettered", counts.dead_lettered, wanted.dead_lettered),
                ("by rule", dict(sorted(counts.by_rule.items())), dict(wanted.by_rule)),
            )

    def _surprises_of_the_gate(self) -> Iterator[str]:
        for found in self.gated.datasets:
            fate, read = self.fates[found.dataset], self.read_back[found.dataset]
            yield from _differences(
                found.dataset,
                ("published", found.published, fate.published),
                ("quarantined", found.quarantined, fate.quarantined),
                ("held", self.held(found.dataset), dict(fate.held)),
                ("waiting", self.waiting(found.dataset), dict(fate.waiting)),
                ("read back by polars", read.polars, fate.published),
                ("read back by DuckDB", read.duckdb, fate.published),
            )
            yield from (f"{found.dataset}: {problem}" for problem in found.problems)
        yield from _differences("the gate", ("its exit code", int(self.gated.outcome), int(self.foretold)))

    def _surprises_of_the_features(self) -> Iterator[str]:
        """A view that was built has every published row of its dataset behind it."""
        for view in self.features.built.views:
            published = self.fates[view.dataset].published
            accounted = view.events + sum(view.set_aside.values())
            if bool(view.rows) != bool(published) or accounted > published:
                yield f"view {view.view}: {accounted} events of {published} published rows, {view.rows} rows"


def _differences(name: str, *compared: tuple[str, object, object]) -> Iterator[str]:
    for what, saw, want in compared:
        if saw != want:
            yield f"{name}: {what} is {saw}, and the seed says {want}"


def run_demo(
    folder: Path,
    config_file: Path,
    *,
    plan: DemoPlan | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
    on_published: Callable[[Published, int], None] | None = None,
    on_progress: Callable[[RunReport], None] | None = None,
    on_measured: Callable[[Progress], None] | None = None,
) -> DemoReport:
    """Publish the plan's records to an embedded broker, ingest them to the end, gate what landed, and verify it all.

    ``folder`` is replaced, and nothing else is touched; raises ``UsageError`` where it holds anything that an
    earlier demo did not write. Landing times are the replay's: the publication time of the newest record read; and
    the gate's clock is the replay's end.
    """
    plan = plan or DemoPlan()
    began = time.monotonic()
    timings: dict[str, float] = {}
    with timed(timings, "foretell"):
        renew(folder)
        expected = plan.expected()
        fates = plan.fates()
    total = sum(topic.read for topic in expected.values())
    partitions = {**PARTITIONS, PREDICTIONS: PARTITIONS_OF_PREDICTIONS}
    dead_letters = {f"{topic}.dead-letters": number for topic, number in partitions.items()}
    with EmbeddedBroker({**partitions, **dead_letters}) as broker:
        config = load_config(
            config_file, [f"kafka.bootstrap.servers={broker.bootstrap_servers}", f"store={folder / 'lake'}"]
        )
        flights = config.model_copy(update={"datasets": {name: config.datasets[name] for name in PARTITIONS}})
        say(f"publishing {total:,} events of {plan.days} days from {plan.start} to an embedded broker")
        with timed(timings, "publish"), Publisher(config.kafka) as publisher:
            published = publish(
                plan.records(),
                publisher.publish,
                (lambda so_far: on_published(so_far, total)) if on_published else None,
            )
        say("ingesting: Ray actors read the partitions, judge every record by its contract, land and commit")
        with timed(timings, "ingest"):
            ingested = ingest(flights, until_end=True, replay=True, on_progress=on_progress, on_message=say)
        pipeline = open_pipeline(config)
        say(f"gating: every day that landed is judged by its contract, as of {plan.ends_at:%Y-%m-%d %H:%M} UTC")
        with timed(timings, "gate"):
            gated = open_pipeline(flights).gate(at=plan.ends_at, on_message=say, on_progress=on_measured)
        say("reading the curated tables back with polars and DuckDB")
        with timed(timings, "read back"):
            counted = {name: read_back(pipeline.curated(name)) for name in flights.datasets}
        with timed(timings, "features"):
            from .features import tell_features  # Feast takes seconds to import: not before it is needed

            story = tell_features(config, plan, say)
        told = loop = None
        if story.trainable:
            with timed(timings, "model"):
                from .model import tell_model

                told = tell_model(config, plan, story, say)
            with timed(timings, "loop"):
                from .loop import tell_loop

                loop = tell_loop(config, plan, say)
    say("verifying lake, gate and tables from their objects alone")
    with timed(timings, "verify"):
        verified = pipeline.verify()
    return DemoReport(
        folder=folder,
        config=config,
        plan=plan,
        published=published,
        expected=expected,
        ingested=ingested,
        fates=fates,
        gated=gated,
        index=pipeline.store.uri(index_key(config.pipeline)),
        read_back=counted,
        features=story,
        model=told,
        loop=loop,
        verified=verified,
        seconds=time.monotonic() - began,
        timings=timings,
    )


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
