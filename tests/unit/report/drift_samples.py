"""A watched dataset of a few columns and windows, as the page of drift is given it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.counts import BlockCounts, counts
from ray_pipeline.drift.verdict import ColumnVerdict, Window, WindowVerdict
from ray_pipeline.report.drift_page import ShownErrors, ShownSubject, ShownWindow

DAYS = [f"2013-01-{day:02d}" for day in range(1, 29)]
KINDS = {"temperature": "number", "carrier": "category", "rain": "flag", "nothing": "number", "same": "number"}


def rows(seed: int, shift: float = 0.0, days: tuple[str, ...] = tuple(DAYS), each: int = 60) -> dict[str, list[object]]:
    random = np.random.default_rng(seed)
    many = each * len(days)
    carriers = random.choice(["AA", "UA", "B6"], many, p=[0.5 - shift / 4, 0.3, 0.2 + shift / 4])
    return {
        "day": [day for day in days for _ in range(each)],
        "temperature": random.normal(40 + 12 * shift, 10, many).tolist(),
        "carrier": carriers.tolist(),
        "rain": (random.random(many) < 0.2 + shift / 5).tolist(),
        "nothing": [None] * many,
        "same": [1.0] * many,
    }


def baseline() -> Baseline:
    found = rows(1)
    many = len(found["day"])
    columns = {name: (kind, np.array(found[name], object)) for name, kind in KINDS.items()}
    random = np.random.default_rng(5)
    return make_baseline(columns, found["day"], fit_mask=[True] * many, scores=random.beta(2, 6, many),
                         score_days=found["day"])  # fmt: skip


def live(base: Baseline, shift: float = 1.0) -> dict[str, BlockCounts]:
    days = tuple(f"2013-02-{day:02d}" for day in range(1, 8))
    found = rows(2, shift, days)
    counted = {name: counts(base.column(name), np.array(found[name], object), found["day"]) for name in KINDS}
    assert base.score is not None
    scores = np.random.default_rng(6).beta(2, 5, len(found["day"]))
    return counted | {"score": counts(base.score, scores, found["day"])}


def column(name: str, kind: str, effect: float | None, drift: bool | None) -> ColumnVerdict:
    p = None if effect is None else 0.004 if drift else 0.4
    reason = "" if drift is not None else "no value to compare with"
    return ColumnVerdict(name, kind, "ks" if kind == "number" else "chi2", effect, p, p, effect,
                         0.9 if kind == "number" and drift else None, 0.05, 0.01, 0.2, 0.3, drift, reason)  # fmt: skip


def verdict(first: int, drift: bool | None = True) -> WindowVerdict:
    columns = (
        column("temperature", "number", 0.31 if drift else 0.08, drift),
        column("carrier", "category", 0.14 if drift else 0.05, drift),
        column("rain", "flag", 0.03, False if drift is not None else None),
        column("nothing", "number", None, None),
        column("same", "number", 0.0, False if drift is not None else None),
        column("score", "score", 0.06, False if drift is not None else None),
    )
    window = Window(f"2013-02-{first:02d}", f"2013-02-{first + 7:02d}")
    return WindowVerdict("weather", window, 420, "ab" * 32, 1680, 28, "blocks", 0.05, 0.1, columns, drift)


def subject(name: str = "weather") -> ShownSubject:
    base = baseline()
    windows = [ShownWindow(verdict(1, drift=False), fired=False), ShownWindow(verdict(8), fired=False),
               ShownWindow(verdict(15), fired=True)]  # fmt: skip
    return ShownSubject(
        name=name,
        reason="",
        baseline=base,
        compared_with="baseline 1: 2013-01-01 up to 2013-01-29, 1,680 rows of 28 days",
        windows=windows,
        live=live(base),
        since="2013-02-08",
        alarmed=("temperature", "carrier"),
        open="2013-02-22 to 2013-03-01",
        late_rows=12,
        notices=("the baseline is of contract weather 1.0.0, and rows land under weather 2.0.0 now",),
    )


def quiet(name: str = "departures") -> ShownSubject:
    found = subject(name)
    return replace(found, windows=found.windows[:1], since="", alarmed=(), live=live(baseline(), 0.0), late_rows=0,
                   notices=())  # fmt: skip


def nothing(name: str = "arrivals") -> ShownSubject:
    return ShownSubject(name, "its first window is not over yet", baseline(), "baseline 1", [], {}, "", (),
                        "2013-02-01 to 2013-02-08", 0)  # fmt: skip


def errors() -> ShownErrors:
    days = [(f"2013-02-{day:02d}", 500, 480 if day < 20 else 0, 0.4 + day / 400, 0.4 + day / 150 if day < 20 else None)
            for day in range(1, 25)]  # fmt: skip
    return ShownErrors("late_arrival/3", "ALARM on 2013-02-14, after 6,000 labels", True, 0.41, days,
                       ["detector cusum, 10,000 labels between two false alarms"])  # fmt: skip
