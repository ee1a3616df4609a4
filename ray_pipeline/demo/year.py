"""``ray-pipeline demo --year``: months of flights through the whole circle, on this machine, in event time.

A week of events is published and lands; then windows that are over are judged for drift. A month is gated and its
views built in one pass each; the flights of the month are asked about, each as of its own moment, by whoever was
champion when it began, and the answers land like any event; then the loop decides whether to train again. The model of
January to March answers too, in memory: it is what would have become of a model that nobody trains again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.clock import ReplayClock
from ray_pipeline.config import load_config
from ray_pipeline.connectors.feast import apply_repo, load_repo
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.runtime.jobs.features_build import build_features
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.train import train
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.runtime.ray_session import ray_session
from ray_pipeline.runtime.stop_signals import term_as_interrupt
from ray_pipeline.runtime.wiring import open_lake

from .events import ARRIVALS, DEPARTURES, WEATHER
from .run import PREDICTIONS, renew
from .year_answers import answer_month
from .year_landing import Landing
from .year_loop import DEMO, Loop
from .year_plan import TRAINED, Stretch, YearPlan
from .year_report import Mark, Month, YearReport
from .year_score import compare_all, compare_month

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.sla.result import GateReport

MODEL = "late_arrival"
PARTITIONS = {WEATHER: 1, DEPARTURES: 2, ARRIVALS: 2, PREDICTIONS: 2}
"""A few: each has a file for each day. What is published in one go must be under the 5 MiB that the embedded broker
keeps of a partition, as it is compressed: a week of flights, or a month of answers."""
PAGE = "year.html"
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run_year(
    folder: Path,
    config_file: Path,
    *,
    plan: YearPlan | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
    on_month: Callable[[Month], None] = lambda _month: None,
) -> YearReport:
    """Run the plan's months in ``folder``, which is replaced, and compare the loop with a model that stays.

    Raises ``UsageError`` where the folder holds anything that an earlier demo did not write.
    """
    plan = plan or YearPlan()
    began = time.monotonic()
    renew(folder)
    seconds = _Seconds()
    topics = {**PARTITIONS, **{f"{topic}.dead-letters": number for topic, number in PARTITIONS.items()}}
    with seconds.of("start"):
        total = sum(plan.published.values())
    say(f"{total:,} events of {plan.months} months, one flight of {plan.ask_every} is asked about; starting Ray")
    session = ray_session()
    with seconds.of("start"):
        session.__enter__()
    try:
        with term_as_interrupt(), EmbeddedBroker(topics) as broker:
            config = load_config(
                config_file, [f"kafka.bootstrap.servers={broker.bootstrap_servers}", f"store={folder / 'lake'}"]
            )
            year = _Year(config, plan, say, on_month, seconds)
            landing = Landing(config, lambda _sentence: None)
            with landing:
                year.replay(landing)
            assert landing.report is not None
    finally:
        session.__exit__(None, None, None)
    say("verifying lake, gate and tables from their objects")
    with seconds.of("verify"):
        verified = open_pipeline(config).verify(quick=True)
    with seconds.of("score"):
        total_of_all = compare_all([month.compared for month in year.months])
    report = YearReport(
        folder=folder,
        config=config,
        plan=plan,
        first=year.first.shown,
        months=tuple(year.months),
        total=total_of_all,
        marks=tuple(year.marks),
        ingested=landing.report,
        gated=tuple(year.gated),
        verified=verified,
        windows=year.loop.windows,
        in_alarm=year.loop.in_alarm,
        not_asked=year.not_asked,
        page=folder / PAGE,
        seconds=time.monotonic() - began,
        timings=dict(seconds.by_stage),
    )
    from .year_story import page_of

    report.page.write_text(page_of(report), "utf-8")
    return report


@dataclass
class _Seconds:
    """Seconds by stage, in the order in which stages first came."""

    by_stage: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.by_stage[stage] += time.monotonic() - began  # type: ignore[assignment]


class _Year:
    """The replay: where it is, and what it has seen."""

    def __init__(
        self,
        config: PipelineConfig,
        plan: YearPlan,
        say: Callable[[str], None],
        on_month: Callable[[Month], None],
        seconds: _Seconds,
    ) -> None:
        self.config, self.plan, self.say, self.on_month, self.seconds = config, plan, say, on_month, seconds
        self.clock = ReplayClock()
        self.registry = ModelRegistry(open_lake(config), config.pipeline, clock=self.clock)
        self.repo: FeatureRepo = load_repo(config)
        self.loop = Loop(config, self.repo, self.clock)
        self.published: Counter[str] = Counter()
        self.months: list[Month] = []
        self.marks: list[Mark] = []
        self.gated: list[GateReport] = []
        self.known_until = _EPOCH
        """Questions before it can be answered by the offline tables …"""
        self.asked_until = _EPOCH
        """… and those before this one were."""
        self.not_asked = 0
        self.first: ModelManifest

    def replay(self, landing: Landing) -> None:
        """Publish stretch after stretch, and do what is due at the end of each."""
        with self.seconds.of("start"):
            apply_repo(self.config)
        for stretch in self._stretches():
            with self.seconds.of("publish"):
                self._publish(stretch)
            with self.seconds.of("ingest"):
                landing.wait(self.published)
            self.clock.advance(round(stretch.until.timestamp() * 1000))
            if stretch.ends_week:
                with self.seconds.of("drift"):
                    self.marks += self.loop.week(stretch.until)
            if stretch.ends_month:
                self._month(stretch.until, landing)
        self._gate(self.plan.ends_at)
        predictor = open_predictor(self.config, self.registry.resolve(MODEL), registry=self.registry, repo=self.repo)
        self.not_asked = len(questions(self.config, predictor, self.asked_until, self.plan.ends_at, repo=self.repo))

    def _stretches(self) -> Iterator[Stretch]:
        """Yield the plan's stretches; while one is worked on the events of the next are made."""
        coming = self.plan.stretches()
        with ThreadPoolExecutor(1, thread_name_prefix="next-stretch") as ahead:
            made = ahead.submit(next, coming, None)
            while True:
                with self.seconds.of("publish"):
                    stretch = made.result()
                if stretch is None:
                    return
                made = ahead.submit(next, coming, None)
                yield stretch

    def _publish(self, stretch: Stretch) -> None:
        with Publisher(self.config.kafka) as publisher:
            for event in stretch.events:
                publisher.publish(event.topic, event.key, event.value, event.timestamp_ms)
        self.published.update(event.topic for event in stretch.events)

    def _month(self, end: datetime, landing: Landing) -> None:
        self._gate(end)
        with self.seconds.of("features"):
            built = build_features(self.config, compiled=self.repo.views, clock=self.clock)
        self.known_until = min(_EPOCH + (one.horizon_us or 0) * _MICROSECOND for one in built.views) + _MICROSECOND
        number = _months_before(end)
        if number < TRAINED:
            self.say(f"{_month_of(end)}: events landed, gated, views built")
        elif number == TRAINED:
            self._first_model(end)
        else:
            self._answers(end, landing)

    def _gate(self, at: datetime) -> None:
        with self.seconds.of("gate"):
            self.gated.append(run_gate(self.config, at=at))

    def _first_model(self, end: datetime) -> None:
        assert self.config.retrain.spec is not None
        with self.seconds.of("train"):
            trained = train(
                self.config,
                self.config.retrain.spec,
                who=DEMO,
                reason="the first one, of January to March",
                promote=True,
                repo=self.repo,
                clock=self.clock,
            )
        self.first = trained.version
        self.asked_until = self.known_until
        with self.seconds.of("drift"):
            self.loop.begin(self.first)
        self.say(f"{_month_of(end)}: {self.first.shown} is trained on January to March and answers from now on")

    def _answers(self, end: datetime, landing: Landing) -> None:
        start, self.asked_until = self.asked_until, self.known_until
        champion = self.registry.resolve(MODEL)
        with self.seconds.of("predict"):
            answered = answer_month(
                self.config, self.plan, self.registry, self.repo, champion, self.first, start, self.asked_until
            )
        self.published[PREDICTIONS] += answered.published
        with self.seconds.of("ingest"):
            landing.wait(self.published)
        with self.seconds.of("score"):
            compared = compare_month(
                self.config,
                self.repo.label_set(champion.label_set),
                MODEL,
                answered.frozen,
                start,
                self.asked_until,
            )
        with self.seconds.of("drift"):
            self.marks += self.loop.month(end)
        if end < self.plan.over:  # who answers after the last month is not seen any more
            with self.seconds.of("retrain"):
                self.marks += self.loop.decide(end)
        begins = _month_begin(end)
        marks = tuple(mark for mark in self.marks if begins < mark.at <= end)
        self.months.append(Month(begins, end, answered, compared, marks))
        self.on_month(self.months[-1])


def _month_begin(end: datetime) -> datetime:
    return (end - timedelta(days=1)).replace(day=1)


def _months_before(end: datetime) -> int:
    return _month_begin(end).month


def _month_of(end: datetime) -> str:
    return f"{_month_begin(end):%B}"
