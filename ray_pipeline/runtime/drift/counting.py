"""Counts the rows of each file that lands, in the bins of the subject's newest baseline.

The counts are written with the rows, in the same file, and so they count exactly when the rows do: once the log's entry
names the file. That there are none never stops a landing, for whoever needs them can count the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from ray_pipeline.drift.footer import KEY, counted_columns, encode
from ray_pipeline.drift.lens import Lens, count_table, lens_of
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime.drift.baseline_log import BaselineLog, WatchedBaseline

if TYPE_CHECKING:
    from ray_pipeline.clock import Clock
    from ray_pipeline.lake.ports import ObjectStore

LOOK_SECONDS = 60.0
"""So often it is asked for a newer baseline. Until then files are counted in the old one's bins, which costs whoever
reads them a second counting, and no row."""
logger = logging.getLogger(__name__)


class FileCounting:
    """Says what the footer of a landed file holds. One thread uses it."""

    def __init__(
        self, store: ObjectStore, pipeline: str, subject: str, *, clock: Clock, every_seconds: float = LOOK_SECONDS
    ) -> None:
        self._log, self._subject = BaselineLog(store, pipeline, clock=clock), subject
        self._clock, self._every = clock, every_seconds
        self._watched: WatchedBaseline | None = None
        self._lens: Lens | None = None
        self._looked: float | None = None
        self._warned = ""

    @property
    def watched(self) -> WatchedBaseline | None:
        """The baseline whose bins are counted in; None: nothing is counted."""
        return self._watched

    def look(self) -> None:
        """Look for a newer baseline now; where the store does not answer, the one that is known goes on counting."""
        self._looked = self._clock.monotonic()
        try:
            if self._watched is None:
                found = self._log.newest(self._subject)
            else:
                found = self._log.newest_after(self._subject, self._watched.number)
            if found is not None:
                self._lens = lens_of(found.baseline, found.model)
                self._watched = found
                self._warned = ""
        except (RayPipelineError, ValueError) as error:
            self._warn(f"the baseline of {self._subject} cannot be read: {error}")

    def footer(self, rows: pa.Table) -> Mapping[str, bytes] | None:
        """Return what goes into the footer of a file of these rows; None where there is no baseline to count in."""
        if self._looked is None or self._clock.monotonic() - self._looked >= self._every:
            self.look()
        watched, lens = self._watched, self._lens
        if watched is None or lens is None:
            return None
        try:
            counts = count_table(lens, watched.baseline, rows)
        except (ValueError, TypeError, KeyError, pa.ArrowException) as error:
            # Rows of another shape than the baseline's: they land all the same, and whoever reads them says so.
            self._warn(f"rows of {self._subject} cannot be counted in baseline {watched.number}: {error}")
            return None
        return {KEY: encode(counts, watched.digest, counted_columns(watched.baseline))}

    def _warn(self, sentence: str) -> None:
        if sentence != self._warned:  # once, not for every file
            logger.warning("%s", sentence)
            self._warned = sentence
