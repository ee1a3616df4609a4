"""How often windows of real days alarm to which nothing happened, and how much must happen for them to alarm.

``python -m tests.bench.drift_alarm``: the flights of January to March and their weather. On random splits days and
weeks are held out of the quarter at random, and the rest is their baseline: what alarms then is false. Forward, the
baseline ends before the window begins, and winter turns to spring: what alarms then need not be false. Beside it the
same windows by tests that take rows for independent (Kolmogorov-Smirnov and chi-square, with Benjamini and Hochberg's
correction).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.drift.alarm import alarm, judge_window
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.edges import CategoryColumn, NumericColumn
from ray_pipeline.drift.verdict import Window, WindowVerdict
from tests.drift_quarter import DAYS, Change, Quarter, by_rows, departures, grown, shifted, weather

WEEK = 7
_SHIFTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_SHARES = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)
_FOUND = 0.8


@dataclass(frozen=True, eq=False, slots=True)
class HeldOut:
    """A window and the baseline that does not have its days."""

    quarter: Quarter
    baseline: Baseline
    first: int
    size: int

    def judge(self, policy: DriftConfig, change: Change | None = None) -> WindowVerdict:
        """Return its verdict."""
        return self.quarter.judge(self.baseline, self.first, self.size, policy, change)

    def alarms_by_rows(self, alpha: float) -> bool:
        """Return whether tests of independent rows call any column different."""
        p = by_rows(self.baseline, self.quarter.counts(self.baseline, self.first, self.size))
        return bool((p <= alpha).any())


def at_random(quarter: Quarter, size: int, splits: int, seed: int = 0, keep: float = 2 / 3) -> Iterator[HeldOut]:
    """Yield windows held out at random: the quarter is cut in windows, and a third of them are in no baseline."""
    random = np.random.default_rng(seed)
    for _ in range(splits):
        start = int(random.integers(size))
        pieces = list(range(start, len(quarter.days) - size + 1, size))
        out = random.permutation(pieces)[round(keep * len(pieces)) :].tolist()
        gone = {first + day for first in out for day in range(size)}
        baseline = quarter.baseline([place for place in range(len(quarter.days)) if place not in gone])
        for first in sorted(out):
            yield HeldOut(quarter, baseline, first, size)


def forward(quarter: Quarter, size: int, days: int) -> Iterator[HeldOut]:
    """Yield the windows after a baseline of the first days."""
    baseline = quarter.baseline(range(days))
    for first in range(days, len(quarter.days) - size + 1, size):
        yield HeldOut(quarter, baseline, first, size)


def policy(size: int, alpha: float = 0.05, **settings: object) -> DriftConfig:
    """Return the settings of windows of so many days; three airports report 72 hours a day."""
    return DriftConfig.model_validate({"alpha": alpha, "window_days": size, "min_rows": 50, **settings})


def share(found: Sequence[bool]) -> float:
    """Return which part is true."""
    return float(np.mean(found)) if found else float("nan")


def rates(held: Sequence[HeldOut], settings: DriftConfig) -> float:
    """Return which share of windows alarms."""
    return share([one.judge(settings).drift is True for one in held])


def runs_alarm(quarter: Quarter, settings: DriftConfig, *, runs: int, seed: int = 0) -> float:
    """Return how often k of n windows, all held out at random from one baseline, make an alarm."""
    random = np.random.default_rng(seed)
    size, last = settings.window_days, settings.windows[1]
    found = []
    for _ in range(runs):
        first = int(random.integers(len(quarter.days) - last * size + 1))
        gone = range(first, first + last * size)
        baseline = quarter.baseline([place for place in range(len(quarter.days)) if place not in gone])
        verdicts = [quarter.judge(baseline, first + number * size, size, settings) for number in range(last)]
        found.append(alarm(verdicts, settings).fired)
    return share(found)


def smallest(
    held: Sequence[HeldOut], settings: DriftConfig, column: str, steps: Sequence[float], make: Callable[[float], Change]
) -> float | None:
    """Return the smallest step at which that column is called different in most windows; None: none of them."""
    for step in steps:
        change = make(step)
        found = [any(one.name == column for one in each.judge(settings, change).moved) for each in held]
        if share(found) >= _FOUND:
            return step
    return None


def spread(quarter: Quarter, column: str) -> float:
    """Return a number's standard deviation over all its rows."""
    tally = quarter.columns[column]
    there = ~np.isnan(tally.values)
    values, rows = tally.values[there], tally.rows.sum(axis=0)[there]
    mean = np.average(values, weights=rows)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=rows)))


def made_up(rng: np.random.Generator, columns: int, days: int, *, lasting: float = 0.0, rows: int = 1000) -> Baseline:
    """Return a baseline of numbers and categories whose days differ, each like the one before as far as ``lasting``."""
    made, counts = [], []
    for number in range(columns):
        width = 32 if number % 2 else 12
        weights = rng.dirichlet(np.full(width, 5.0))
        noise = rng.normal(size=(days, width))
        for day in range(1, days):
            noise[day] = lasting * noise[day - 1] + np.sqrt(1 - lasting**2) * noise[day]
        shares = weights * np.exp(0.1 * noise)
        shares /= shares.sum(axis=1, keepdims=True)
        counted = np.stack([rng.multinomial(rows, one) for one in shares])
        gone = rng.binomial(counted, 0.02)
        full = np.zeros((days, width + (1 if number % 2 else 2)), np.int64)
        full[:, 0], full[:, 1 : width + 1] = gone.sum(axis=1), counted - gone
        name = f"column_{number:03}"
        made.append(
            NumericColumn(name, tuple(float(edge) for edge in range(width - 1)))
            if number % 2
            else CategoryColumn(name, tuple(f"c{one:02}" for one in range(width)))
        )
        counts.append(full)
    blocks = tuple((np.datetime64("2013-01-01") + np.arange(days)).astype(str).tolist())
    return Baseline(tuple(made), blocks, tuple(counts), None, (), None, fit_rows=rows * days)


def split_off(world: Baseline, days: int) -> tuple[Baseline, dict[str, BlockCounts], Window]:
    """Return a made-up world's days but the last ones, and these as a window."""
    kept = len(world.blocks) - days
    counts = {name: BlockCounts(world.blocks[kept:], world.of(name).counts[kept:]) for name in world.names}
    baseline = Baseline(
        world.columns, world.blocks[:kept], tuple(one[:kept] for one in world.counts), None, (), None, world.fit_rows
    )
    until = str(np.datetime64(world.blocks[-1]) + 1)
    return baseline, counts, Window(world.blocks[kept], until)


def made_up_rate(settings: DriftConfig, *, repeats: int, lasting: float, columns: int = 20, seed: int = 0) -> float:
    """Return how often the last days of made-up worlds alarm."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
        world = made_up(rng, columns, DAYS + settings.window_days, lasting=lasting)
        baseline, counts, window = split_off(world, settings.window_days)
        found.append(judge_window("made up", baseline, "0" * 64, counts, window, settings).drift is True)
    return share(found)


def seconds(columns: int = 200, days: int = DAYS, size: int = WEEK, **settings: object) -> float:
    """Return how long a verdict takes, the fastest of three."""
    baseline, counts, window = split_off(made_up(np.random.default_rng(0), columns, days + size), size)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        judge_window("made up", baseline, "0" * 64, counts, window, policy(size, **settings))  # type: ignore[arg-type]
        best = min(best, time.perf_counter() - started)
    return best


def main(splits: int = 40) -> None:
    datasets = {"departures": departures(), "weather": weather()}
    print("False alarms on January to March: share of held-out windows in which any column is called different")
    print(f"{'':12}{'days':>5}{'held out':>10}{'windows':>9}{'alpha':>7}{'max':>8}{'bh':>8}{'max, 0.1':>10}"
          f"{'bh, 0.1':>9}{'weekday':>9}{'rows':>7}")  # fmt: skip
    for name, quarter in datasets.items():
        for size in (1, WEEK):
            ways = {"random": list(at_random(quarter, size, splits if size > 1 else max(1, splits // 8)))}
            ways["forward"] = list(forward(quarter, size, 60))
            for way, held in ways.items():
                for alpha in (0.02, 0.05, 0.1):
                    told = [
                        rates(held, policy(size, alpha, min_effect=0, family="max")),
                        rates(held, policy(size, alpha, min_effect=0, family="bh")),
                        rates(held, policy(size, alpha, min_effect=0.1, family="max")),
                        rates(held, policy(size, alpha, min_effect=0.1, family="bh")),
                        rates(held, policy(size, alpha, min_effect=0, family="max", same="weekday")),
                        share([one.alarms_by_rows(alpha) for one in held]),
                    ]
                    cells = "".join(f"{one:{width}.3f}" for one, width in zip(told, (8, 8, 10, 9, 9, 7), strict=True))
                    print(f"{name:12}{size:5}{way:>10}{len(held):9}{alpha:7}{cells}", flush=True)
    print("\n2 of 3 windows drift, nothing happened (budget of one window 0.05), by least effect 0 and 0.1")
    for name, quarter in datasets.items():
        for size in (1, WEEK):
            told = [runs_alarm(quarter, policy(size, min_effect=floor), runs=2 * splits) for floor in (0.0, 0.1)]
            print(f"{name:12}{size:5} days{told[0]:10.3f}{told[1]:10.3f}", flush=True)
    print("\nFalse alarms in made-up worlds of 90 days, 20 columns (days independent; each much like the one before)")
    for size in (1, WEEK):
        for alpha in (0.02, 0.05, 0.1):
            told = [
                made_up_rate(policy(size, alpha, min_effect=0, family=family), repeats=10 * splits, lasting=lasting)
                for family in ("max", "bh")
                for lasting in (0.0, 0.8)
            ]
            print(f"{size:5} days, alpha {alpha:<5} max {told[0]:.3f} {told[1]:.3f}   bh {told[2]:.3f} {told[3]:.3f}",
                  flush=True)  # fmt: skip
    print(f"\nSmallest change called different in {_FOUND:.0%} of held-out windows, alpha 0.05 (least effect 0; 0.1)")
    numbers = [
        ("departures", "distance_miles"),
        ("departures", "departure_delay_minutes"),
        ("weather", "temperature_f"),
    ]
    for size in (1, WEEK):
        for name, column in numbers:
            quarter = datasets[name]
            held = list(at_random(quarter, size, max(1, splits // 20) if size == 1 else max(1, splits // 8), seed=5))
            sd = spread(quarter, column)
            told_shifts = [
                smallest(
                    held, policy(size, min_effect=floor), column, _SHIFTS, lambda by, c=column, s=sd: shifted(c, by, s)
                )
                for floor in (0.0, 0.1)
            ]
            print(
                f"{size:5} days  mean of {column:26}{_or_more(told_shifts[0])}; {_or_more(told_shifts[1])} sd",
                flush=True,
            )
        quarter = datasets["departures"]
        held = list(at_random(quarter, size, max(1, splits // 20) if size == 1 else max(1, splits // 8), seed=5))
        told_shares = [
            smallest(
                held,
                policy(size, min_effect=floor),
                "carrier.code",
                _SHARES,
                lambda by: grown("carrier.code", "UA", by),
            )
            for floor in (0.0, 0.1)
        ]
        print(
            f"{size:5} days  share of UA, 0.17, plus {_or_more(told_shares[0])}; {_or_more(told_shares[1])}", flush=True
        )
    print("\nSeconds of a verdict over 200 columns, a baseline of 90 days")
    print(f"{seconds():.2f} max, {seconds(family='bh'):.2f} bh, {seconds(same='weekday'):.2f} same weekdays, "
          f"{seconds(days=365):.2f} with a year as baseline")  # fmt: skip


def _or_more(found: float | None) -> str:
    return "more than tried" if found is None else f"{found:g}"


if __name__ == "__main__":
    main()
