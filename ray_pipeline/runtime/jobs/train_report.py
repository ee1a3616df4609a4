"""What a training did, as a command prints it and a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.models.aliases import Alias, AliasMove
from ray_pipeline.runtime.models.words import aligned, measure
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

METRICS = {
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "calibration error",
    "base_rate": "label rate",
}


@dataclass(frozen=True, slots=True)
class TrainReport:
    """One training that ended with a model version."""

    version: ModelManifest
    created: bool
    """False: the same training set, spec and predictions made it before."""
    moves: tuple[AliasMove, ...]
    """Of this training; none where every alias stood where it belongs."""
    champion: int | None
    """Version that answers now; None: none does."""
    training_set: str
    """``name/version``."""
    training_set_created: bool
    rows: Mapping[str, int]
    """Split → rows: fitted to, calibrated on, tested."""
    page: str
    """Where the version's page is: a file, or ``s3://…``."""
    started_at: str
    finished_at: str
    notices: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By step."""

    @property
    def outcome(self) -> Outcome:
        """HELD: a training that ends has a version; one that cannot raises."""
        return Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``train --output json`` prints."""
        return {
            "outcome": self.outcome.name.lower(),
            "version": self.version.to_json(),
            "created": self.created,
            "moves": [move.to_json() for move in self.moves],
            "champion": self.champion,
            "training_set": self.training_set,
            "training_set_created": self.training_set_created,
            "rows": dict(self.rows),
            "page": self.page,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "notices": list(self.notices),
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
        }

    def as_lines(self) -> Iterator[str]:
        """Yield what a person reads: what was trained, how good it is, and what to do next."""
        version = self.version
        if self.created:
            yield f"trained       {version.shown}: {version.estimator}, {count(len(version.columns), 'column')}"
        else:
            yield f"trained       {version.shown}: it is there already, with the same rows, spec and predictions"
        rows = ", ".join(f"{number:,} {split}" for split, number in self.rows.items())
        yield f"training set  {self.training_set}{'' if self.training_set_created else ' (found again)'}: {rows}"
        yield ""
        yield from aligned(self._cells())
        yield ""
        for move in self.moves:
            before = "nobody" if move.previous is None else f"{version.name}/{move.previous}"
            yield f"{move.alias:<12}  {version.shown}, before it {before}"
        if not any(move.alias == Alias.CHAMPION for move in self.moves):
            stays = "nobody yet" if self.champion is None else f"{version.name}/{self.champion}, as before"
            yield f"champion      {stays}"
        yield f"page          {self.page}"
        for notice in self.notices:
            yield f"note          {notice}"
        yield from self._advice()

    def _advice(self) -> Iterator[str]:
        name, number = self.version.name, self.version.number
        if self.champion == number:
            return
        if self.champion is not None:
            yield f"compare it    ray-pipeline model compare {name} champion {number}"
        yield f"promote it    ray-pipeline model promote {name} {number} --reason WHY"

    def _cells(self) -> list[list[str]]:
        head, found = [""], list(self.version.metrics.items())
        for split, one in found:
            head.append(f"{split}{' (calibrated on)' if one.get('calibrated_on') else ''}")
        return [head, *([label, *(measure(one.get(key)) for _, one in found)] for key, label in METRICS.items())]

    def __str__(self) -> str:
        return "\n".join(self.as_lines())

    def __repr__(self) -> str:
        return f"<TrainReport {self.version.shown}, {'new' if self.created else 'found again'}>"

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        start = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        said = f"<b>{escape(self.version.shown)}</b> {'trained' if self.created else 'is there already'}"
        return (
            f"<div><p>{said}, on {escape(self.training_set)}; "
            f"champion: {'nobody yet' if self.champion is None else self.champion}</p>"
            f"<table><thead><tr>{start}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>page: {escape(self.page)}</p></div>"
        )
