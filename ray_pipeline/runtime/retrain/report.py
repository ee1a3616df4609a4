"""What a step of the loop did, where the loop stands, and why, as values that print themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.retrain.decide import Action, Decision
from ray_pipeline.retrain.records import DAY, Kind, LoopEntry
from ray_pipeline.retrain.state import LoopState
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.runtime.models.words import aligned
from ray_pipeline.runtime.retrain.text import explained, log_lines, log_rows, moment, rows_html
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.retrain.lease import Lease


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step."""

    model: str
    decision: Decision
    """What would be next; after a step always to wait."""
    entries: tuple[LoopEntry, ...]
    """What this step wrote."""
    state: LoopState
    champion: int | None
    dry_run: bool = False
    notices: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """BROKEN where a run failed or a promotion was rolled back, UNKNOWN without a champion, else HELD.

        A challenger that was refused, or a signal that has to wait, is the loop at its work.
        """
        if any(one.kind in (Kind.FAILED, Kind.ROLLED_BACK) for one in self.entries):
            return Outcome.BROKEN
        return Outcome.UNKNOWN if self.champion is None else Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``retrain run --output json`` prints."""
        return {
            "outcome": int(self.outcome),
            "model": self.model,
            "champion": self.champion,
            "dry_run": self.dry_run,
            "entries": [one.to_json() for one in self.entries],
            "next": self.decision.to_json(),
            "notices": list(self.notices),
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield from log_lines(self.entries) if self.entries else ()
        decision = self.decision
        if self.dry_run and decision.action is not Action.WAIT:
            run = "" if decision.run is None else f" (run {decision.run})"
            yield f"would {decision.action.replace('_', ' ')}{run}: {decision.reason}"
        else:
            yield f"waiting: {decision.reason}"
        for signal in decision.evidence.get("signals", ()):
            yield f"    {signal['name']}: {signal['said']}"
        for notice in self.notices:
            yield f"note: {notice}"
        yield f"champion: {'nobody' if self.champion is None else f'{self.model}/{self.champion}'}"

    def __str__(self) -> str:
        return "\n".join(self.as_lines())

    def __repr__(self) -> str:
        return f"<StepReport {self.model}: {count(len(self.entries), 'entry', 'entries')}, {self.decision.action}>"

    def _repr_html_(self) -> str:
        return f"<div><p>{escape(self.decision.reason)}</p>{rows_html(log_rows(self.entries))}</div>"


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """Where a model's loop stands, by its ledger alone."""

    model: str
    champion: int | None
    state: LoopState
    entries: tuple[LoopEntry, ...]
    holder: Lease | None
    weekly_budget: int

    def to_json(self) -> dict[str, Any]:
        """Return what ``retrain status --output json`` prints."""
        state, last = self.state, self.entries[-1] if self.entries else None
        run, watch = state.run, state.watch
        return {
            "model": self.model,
            "champion": self.champion,
            "entries": state.number,
            "armed": {name: moment_text(one.since_us) for name, one in state.armed.items()},
            "run": None if run is None else {"id": run.id, "phase": str(run.phase), "challenger": run.challenger},
            "watch": None
            if watch is None
            else {"version": watch.version, "before": watch.before, "until": moment_text(watch.until_us)},
            "ends": dict(state.ends),
            "last": None if last is None else last.to_json(),
            "worked_on_by": None if self.holder is None else self.holder.holder,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return what there is to say, as a table."""
        state = self.state
        rows = [("model", self.model)]
        rows.append(("champion", "nobody" if self.champion is None else f"{self.model}/{self.champion}"))
        armed = ", ".join(f"{name} since {moment(moment_text(one.since_us))}" for name, one in state.armed.items())
        rows.append(("armed", armed or "nothing"))
        if (run := state.run) is not None:
            rows.append(("open run", f"{run.id}, {run.phase}; the next step goes on with it"))
        if (watch := state.watch) is not None:
            until = moment(moment_text(watch.until_us))
            rows.append(("watched", f"{self.model}/{watch.version} against {self.model}/{watch.before}, until {until}"))
        rows.append(("runs", ", ".join(f"{number} {kind}" for kind, number in state.ends.items()) or "none ended"))
        if state.at_us is not None:
            recent = sum(one > state.at_us - 7 * DAY for one in state.starts)
            rows.append(("budget", f"{recent} of {self.weekly_budget} used in the seven days before the last entry"))
        if self.holder is not None:
            rows.append(("worked on by", f"{self.holder.holder}, until {moment(self.holder.until)} at the latest"))
        if self.entries:
            last = self.entries[-1]
            rows.append(("last", f"{last.number}  {moment(last.at)}  {last.kind.replace('_', ' ')}: {last.reason}"))
        return rows

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield from aligned(self.rows())

    def _repr_html_(self) -> str:
        return rows_html([("", ""), *self.rows()])


@dataclass(frozen=True, slots=True)
class LoopLog:
    """The ledger, or some entries of it."""

    entries: tuple[LoopEntry, ...]

    def as_lines(self) -> Iterator[str]:
        """Yield a line for each entry."""
        yield from log_lines(self.entries)

    def explained(self) -> Iterator[str]:
        """Yield each entry with its evidence."""
        for one in self.entries:
            yield from explained(one)

    def __len__(self) -> int:
        return len(self.entries)

    def _repr_html_(self) -> str:
        return rows_html(log_rows(self.entries))


def loop_model(config: PipelineConfig, name: str | None = None) -> str:
    """Return the model of the loop: the named one, the one of ``retrain.spec``, or the one that is served."""
    if name is not None:
        return name
    if config.retrain.spec is not None:
        from ray_pipeline.model.spec import read_model_spec

        return read_model_spec(config.retrain.spec).name
    if config.serve.model is not None:
        return config.serve.model
    raise UsageError("neither retrain.spec nor serve.model is in the configuration: name the model")


def loop_log(config: PipelineConfig, name: str | None = None) -> LoopLog:
    """Return the ledger of a model's loop."""
    from ray_pipeline.runtime.retrain.ledger import LoopLedger
    from ray_pipeline.runtime.wiring import open_lake

    return LoopLog(LoopLedger(open_lake(config), config.pipeline, loop_model(config, name)).entries())


def explain(config: PipelineConfig, which: str, name: str | None = None) -> LoopLog:
    """Return the entries that a run id (its beginning will do), a number of an entry, or a version is about.

    A version is said as ``late_arrival/3``. ``UsageError`` where there is none.
    """
    log = loop_log(config, name)
    model, slash, version = which.rpartition("/")
    if slash and version.isascii() and version.isdecimal():
        about = tuple(one for one in log.entries if one.model == model and int(version) in _versions(one))
        runs = {one.run for one in about if one.challenger == int(version)}
        found = tuple(one for one in log.entries if one in about or (one.run is not None and one.run in runs))
    else:
        found = tuple(one for one in log.entries if which.isdecimal() and one.number == int(which))
        found = found or tuple(one for one in log.entries if one.run is not None and one.run.startswith(which))
    if not found:
        raise UsageError(
            f"{which!r} is no run, entry or version of this loop ({count(len(log), 'entry', 'entries')}); "
            "`ray-pipeline retrain log` shows them"
        )
    return LoopLog(found)


def loop_status(config: PipelineConfig, name: str | None = None) -> LoopStatus:
    """Return where a model's loop stands."""
    from ray_pipeline.clock import WallClock
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.retrain.lease import Leases
    from ray_pipeline.runtime.retrain.ledger import LoopLedger
    from ray_pipeline.runtime.wiring import open_lake

    store, model = open_lake(config), loop_model(config, name)
    ledger = LoopLedger(store, config.pipeline, model)
    leases = Leases(store, config.pipeline, model, clock=WallClock(), seconds=config.retrain.lease_seconds)
    champion = ModelRegistry(store, config.pipeline).aliases(model).get(Alias.CHAMPION)
    return LoopStatus(model, champion, ledger.state(), ledger.entries(), leases.holder(), config.retrain.weekly_budget)


def _versions(entry: LoopEntry) -> tuple[int | None, ...]:
    """Return the versions that an entry decides about; an entry of a waiting signal decides about none."""
    ends = (Kind.PROMOTED, Kind.JUDGED, Kind.ROLLED_BACK, Kind.REFUSED)
    return (entry.challenger, entry.champion) if entry.kind in ends else (entry.challenger,)
