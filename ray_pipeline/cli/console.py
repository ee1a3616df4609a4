"""What goes where: results to stdout, everything else to stderr, and decoration only for a person who watches."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ray_pipeline.text import visible

if TYPE_CHECKING:
    from rich.console import Console


PIPE_WIDTH = 160
"""A pipe has no width: do not fold a table at 80. COLUMNS says another one."""


def print_line(text: str = "") -> None:
    """Write one line of result; the text is ours, or went through :func:`visible`."""
    sys.stdout.write(text + "\n")


def print_json(document: object) -> None:
    """Write one JSON object on one line, in ASCII, so that no byte of it can steer a terminal."""
    sys.stdout.write(json.dumps(document, default=str).replace("\x7f", "\\u007f") + "\n")


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    sys.stderr.write(visible(text) + "\n")


def watched() -> bool:
    """Return whether a person looks at stderr: a terminal that can move its cursor, and no CI run."""
    return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM", "") != "dumb"


def out() -> Console:
    """Return the console for results. NO_COLOR is honoured; markup in the data means nothing."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=False, width=width)


def err() -> Console:
    """Return the console for everything else."""
    from rich.console import Console

    return Console(file=sys.stderr, markup=False, highlight=False, emoji=False)


class Progress(Protocol):
    """Says how far a long verb is."""

    def __call__(self, done: int, total: int | None, what: str) -> None: ...


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere a plain line at every tenth of the way."""
    if not watched():
        yield _PlainProgress(title)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=err(), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int | None, what: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{title} {visible(what)}")

        yield advance


class _PlainProgress:
    def __init__(self, title: str) -> None:
        self._title = title
        self._tenth = 0

    def __call__(self, done: int, total: int | None, what: str) -> None:
        if not total or done * 10 // total <= self._tenth:
            return
        self._tenth = done * 10 // total
        note(f"{self._title}: {done} of {total} {what}".rstrip())


def configure_logging(level: int = logging.WARNING) -> None:
    """Send this process' log lines to stderr."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(message)s", force=True)
