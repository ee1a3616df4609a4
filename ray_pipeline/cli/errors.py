"""Where an error becomes one sentence on stderr and an exit code. No verb does this itself.

====  ===============================================================================
0     it held: the data is valid, the check passed, the work is committed
1     the data broke its contract, or the check failed: as of a model that cannot load
2     asked wrongly: an option, a file, the configuration or a contract is wrong
3     could not tell: no answer, no right, fenced by another owner, or an unexpected error
130   interrupted by Ctrl-C
141   the reader of our output left (``ray-pipeline files flights | head -1``), as the shell counts SIGPIPE
====  ===============================================================================
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ray_pipeline.errors import (
    ModelFileError,
    ModelMismatchError,
    NoModelError,
    ProblemsError,
    RayPipelineError,
    TrainingError,
    UsageError,
)
from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

INTERRUPTED = 130
READER_LEFT = 141
PROGRAM = "ray-pipeline"

_ASKED_WRONGLY = (ProblemsError, UsageError, NoModelError)
_BROKEN = (TrainingError, ModelFileError, ModelMismatchError)
"""A model that does not come to be, or cannot be trusted, is a check that failed: waiting does not help."""
_USAGE = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")
"""What typer itself raises for a wrong option; it prints these with the usage line, and exits 2."""


@contextmanager
def exit_codes(*, full_traceback: bool = False) -> Iterator[None]:
    """Turn whatever a verb raises into its message and ``typer.Exit`` with the right code."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a reader that left can still be told from an error of ours
    except BrokenPipeError:
        _silence_stdout()
        raise typer.Exit(READER_LEFT) from None
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        _say("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, _USAGE):
            raise
        if full_traceback:
            traceback.print_exc(file=sys.stderr)
        for line in message_lines(error):
            _say(line)
        raise typer.Exit(exit_code(error)) from None


def exit_code(error: BaseException) -> Outcome:
    """Return the exit code that an error means."""
    cause = _cause(error)
    if isinstance(cause, _ASKED_WRONGLY):
        return Outcome.MISUSED
    return Outcome.BROKEN if isinstance(cause, _BROKEN) else Outcome.UNKNOWN


def message_lines(error: BaseException) -> list[str]:
    """Return what a person reads: a line per problem, or one sentence."""
    cause = _cause(error)
    if isinstance(cause, ProblemsError):
        found = [str(problem) for problem in cause.problems]
        wrong = sum(not problem.warning for problem in cause.problems)
        return [visible(line) for line in [*found, f"{count(wrong, 'problem')}; nothing was started"]]
    if isinstance(cause, RayPipelineError):
        return [f"error: {_one_line(str(cause))}"]
    said = f": {_one_line(str(cause))}" if str(cause).strip() else ""
    return [f"unexpected {type(cause).__name__}{said} (`{PROGRAM} --traceback VERB …` shows where)"]


def _cause(error: BaseException) -> BaseException:
    """Return the error that an actor raised, where Ray delivers it inside one of its own."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, RayPipelineError) else error


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return visible(" ".join(lines))[:1000]


def _say(line: str) -> None:
    print(f"{PROGRAM}: {line}", file=sys.stderr)  # noqa: T201


def _silence_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's own last flush does not complain about the pipe."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a captured stdout has no descriptor, and needs no silence
        return
