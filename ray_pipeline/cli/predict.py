"""``ray-pipeline predict``: ask a model one question now, or many as of their own moments."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.predictions.policy import Answer, Refusal
    from ray_pipeline.runtime.predictions.prediction import Prediction
    from ray_pipeline.runtime.predictions.predictor import Predictor

SHOWN = 10
"""Rows of a batch that are printed for people."""


def predict(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A model: its champion; or NAME/VERSION, NAME/challenger, NAME/latest."),
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]…", help="One question: origin=EWR carrier=UA …; KEY= is null.", show_default=False
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option("--batch", metavar="FILE", help="Requests as .jsonl, .csv or .parquet; each names its as_of."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Ask the label set's questions from this moment on …")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="… and before this one.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="The moment asked, of one question or of rows that name none."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the answers to FILE (.jsonl, .csv, .parquet).")
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the answers as events of the topic.")] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Ask a model: one question now, or many as of their own moments.

    One question is answered from the online store. A batch, and the questions of the model's label set with --from and
    --to, are answered from the offline tables, each as of its own moment. Exit code 3: some got no answer.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.predictions.asking import ask_batch, ask_one, ask_questions, open_model_version

    moments = [
        None if text is None else _moment(option, text)
        for option, text in (("--from", start), ("--to", end), ("--as-of", as_of))
    ]
    first, last, moment = moments
    _check(values, batch, first, last, moment, write)
    if write is not None:
        _check_out(write, batch)
    settings = load_config(config, sets or ())
    predictor, repo = open_model_version(settings, name)
    if batch is not None:
        answers = ask_batch(settings, predictor, batch, as_of=moment)
    elif first is not None and last is not None:
        answers = ask_questions(settings, predictor, first, last, repo=repo)
    else:
        said = _said(values or [])
        answers = [ask_one(settings, predictor, said, as_of=moment, new_id=lambda: str(uuid.uuid4()))]
    _tell(settings, predictor, answers, write, publish, output, many=batch is not None or first is not None)


def _tell(
    settings: PipelineConfig,
    predictor: Predictor,
    answers: list[Answer],
    write: Path | None,
    publish: bool,
    output: Output,
    *,
    many: bool,
) -> None:
    from ray_pipeline.runtime.predictions.answers import answer_json, write_answers
    from ray_pipeline.runtime.predictions.asking import publish_answers
    from ray_pipeline.runtime.predictions.policy import told_apart

    predictions, refusals = told_apart(answers)
    if write is not None:
        write_answers(write, answers)
    published = publish_answers(settings, predictions) if publish else None
    if output is Output.JSON and not many:
        print_json(answer_json(answers[0]))
    elif output is Output.JSON:
        document: dict[str, Any] = {"model": predictor.manifest.shown, "answered": len(predictions)}
        document["refused"] = [answer_json(one) for one in refusals]
        if write is None:
            document["answers"] = [answer_json(one) for one in predictions]
        if published is not None:
            document["published"] = published.to_json()
        print_json(document)
    else:
        if many:
            _print_many(predictor, predictions, refusals)
        else:
            for one in predictions:
                _print_one(one)
        if write is not None:
            print_line(visible(f"written to {write}"))
        if published is not None:
            print_line(visible(f"published {count(published.events, 'event')} to {published.topic}"))
    if refusals:
        for refused in refusals[:SHOWN]:
            note(f"no answer to {refused.request_id}: {refused.message}")
        if len(refusals) > SHOWN:
            note(f"… and {len(refusals) - SHOWN:,} more")
        raise typer.Exit(Outcome.UNKNOWN)


def _print_one(found: Prediction) -> None:
    from ray_pipeline.runtime.predictions.event import moment_text

    status = "complete" if found.is_complete else "degraded"
    print_line(
        visible(f"{found.model}/{found.version}: {found.probability:.1%} as of {moment_text(found.as_of)} ({status})")
    )
    rows = [("feature", "value", "status", "changed")]
    for name, one in found.features.items():
        changed = "-" if one.event_time is None else moment_text(one.event_time)
        rows.append((name, _shown(one.value), one.status.value, changed))
    # Never narrower than the longest: a value that is cut off cannot be read.
    widths = [max(len(visible(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        print_line("  ".join(visible(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _shown(value: object) -> str:
    from ray_pipeline.runtime.predictions.event import moment_text

    if isinstance(value, datetime):
        return moment_text(value)
    return "null" if value is None else str(value)


def _print_many(predictor: Predictor, predictions: list[Prediction], refusals: list[Refusal]) -> None:
    from ray_pipeline.runtime.predictions.event import moment_text

    degraded = sum(not one.is_complete for one in predictions)
    print_line(
        visible(
            f"{predictor.manifest.shown}: {count(len(predictions), 'answer')}, "
            f"{degraded:,} of them without some feature; {len(refusals):,} refused"
        )
    )
    for one in predictions[:SHOWN]:
        print_line(visible(f"  {one.request.request_id}  {moment_text(one.as_of)}  {one.probability:.4f}"))
    if len(predictions) > SHOWN:
        print_line(f"  … and {len(predictions) - SHOWN:,} more; --out FILE writes them all")


def _check(
    values: list[str] | None,
    batch: Path | None,
    start: datetime | None,
    end: datetime | None,
    as_of: datetime | None,
    write: Path | None,
) -> None:
    if (start is None) != (end is None):
        raise UsageError("a range needs both: --from TIME --to TIME")
    ways = [bool(values), batch is not None, start is not None]
    if sum(ways) > 1:
        raise UsageError("ask one way: KEY=VALUE …, --batch FILE, or --from TIME --to TIME")
    if start is not None and as_of is not None:
        raise UsageError("each question of a label set has its own moment: leave --as-of out")
    if start is not None and end is not None and end <= start:
        raise UsageError("--to must be after --from")
    if not any(ways):
        raise UsageError("say what to ask: KEY=VALUE …, --batch FILE, or --from TIME --to TIME")
    if write is not None and values:
        raise UsageError("--out is for many answers; --output json prints one as JSON")


def _check_out(write: Path, batch: Path | None) -> None:
    from ray_pipeline.runtime.predictions.answers import SUFFIXES

    if write.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {write}: must end with one of {', '.join(SUFFIXES)}")
    if not write.absolute().parent.is_dir():
        raise UsageError(f"--out {write}: there is no such folder")
    if batch is not None and write.exists() and batch.exists() and write.samefile(batch):
        raise UsageError(f"--out {write}: this is the file of the questions; choose another")


def _said(values: list[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for one in values:
        key, equals, text = one.partition("=")
        if not equals or not key:
            raise UsageError(f"{key or one!r}: write KEY=VALUE")
        if key in said:
            raise UsageError(f"{key} is said twice")
        said[key] = text
    return said


def _moment(option: str, text: str) -> datetime:
    from ray_pipeline.features.training_spec import moment_text, moment_us

    try:
        return datetime.fromisoformat(moment_text(moment_us(text)))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {error}") from None
