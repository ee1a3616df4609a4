"""The dead-letter topic: a projection of what was committed, which catches up after crash, outage and twin.

A dead letter is durable in the bad file of its commit; the topic only repeats it. So the topic may lag, and never
makes good data wait. The order is fixed: open the sink (which fences every earlier producer of this partition), then
read how far it got, then send only what is missing. Of two owners, whoever opens last reads the truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Protocol

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import FileCorruptError, SinkFencedError, SinkUnavailableError, StoreUnavailableError
from ray_pipeline.stream.ports import DeadLetter, DeadLetterSink
from ray_pipeline.types import Offset

MAX_LETTERS = 5_000
MAX_BYTES = 8 * 2**20
"""Of one transaction."""
PATIENCE_SECONDS = 5.0
"""How long one call may go on sending before good data has its turn."""
FINAL_ATTEMPTS = 4
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class CommittedLetters:
    """The dead letters of one commit, to be read when it is their turn."""

    start: Offset
    end: Offset
    count: int
    read: Callable[[], Sequence[DeadLetter]]


class CommittedHistory(Protocol):
    """What the projection asks of the commit log."""

    def letters_since(self, offset: Offset) -> Sequence[CommittedLetters]:
        """Return the commits with dead letters that end past ``offset``, oldest first."""
        ...

    def still_mine(self) -> bool:
        """Read the log anew: is the claim on whose behalf this projection runs the last one?"""
        ...


class DeadLetterProjection:
    """Sends one partition's dead letters, each once where the sink has transactions.

    One thread may call :meth:`catch_up` while another one commits: a sink that is slow makes nobody wait.
    """

    def __init__(
        self,
        sink: DeadLetterSink,
        history: CommittedHistory,
        *,
        known_through: Offset,
        committed: Offset,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._sink, self._history, self._clock, self._rng = sink, history, clock, rng
        self._through = known_through
        self._committed = committed
        self._lock = Lock()  # of the queue and the two offsets: one thread commits while another sends
        self._queue = deque(history.letters_since(known_through))
        self._sent_of_first = 0
        self._is_open = False
        self._failures = 0
        self._retry_at = clock.monotonic()
        self.trouble = ""
        """Why the topic lags; empty while it does not."""

    @property
    def through(self) -> Offset:
        """Up to where every dead letter is known to be in the topic."""
        with self._lock:
            return max(self._through, self._queue[0].start) if self._queue else self._committed

    @property
    def backlog(self) -> int:
        """How many committed dead letters are not known to be in the topic."""
        with self._lock:
            return sum(letters.count for letters in self._queue) - self._sent_of_first

    def committed(self, end: Offset, letters: CommittedLetters | None) -> None:
        """Take note of a commit; another thread may be catching up meanwhile."""
        with self._lock:
            self._committed = end
            if letters is not None:
                self._queue.append(letters)

    def catch_up(self, *, final: bool = False) -> None:
        """Send what is missing, for a few seconds at most; after a failure wait before trying again.

        With ``final``, try at once, to the end, and a few times. Raises ``SinkFencedError`` only where the partition
        has another owner now.
        """
        if not final:
            if self._queue and self._clock.monotonic() >= self._retry_at:
                self._try(self._clock.monotonic() + PATIENCE_SECONDS)
            return
        for _ in range(FINAL_ATTEMPTS):
            if self._queue:
                self._clock.sleep(max(0.0, min(1.0, self._retry_at - self._clock.monotonic())))
                self._try(float("inf"))

    def _try(self, deadline: float) -> None:
        try:
            if not self._is_open:
                self._open()
            while self._queue and self._clock.monotonic() < deadline:
                self._send_first()
        except SinkFencedError as error:
            # No proof that we lost the partition: a twin that woke up late may have fenced us. The log knows.
            if not self._history.still_mine():
                raise
            self._put_off(error)
        except (SinkUnavailableError, StoreUnavailableError, FileCorruptError) as error:
            self._put_off(error)
        else:
            self._failures, self.trouble = 0, ""

    def _put_off(self, error: Exception) -> None:
        self._is_open = False
        self.trouble = str(error)
        self._retry_at = self._clock.monotonic() + backoff(self._failures, self._rng, 0.5, LONGEST_WAIT)
        self._failures += 1

    def _open(self) -> None:
        progress = self._sink.open()
        if progress is not None and progress > self._committed:
            # Somebody got further than we committed: a newer owner, or, if we still own the partition, an earlier
            # topic of the same name, whose progress says nothing.
            if not self._history.still_mine():
                raise SinkFencedError("the dead-letter producer")
            progress = None
        self._is_open = True
        with self._lock:
            self._through = max(self._through, progress or 0)
            self._sent_of_first = 0
            while self._queue and self._queue[0].end <= self._through:
                self._queue.popleft()

    def _send_first(self) -> None:
        first = self._queue[0]
        missing = [letter for letter in first.read() if letter.record.offset >= self._through]
        self._sent_of_first = first.count - len(missing)
        for letters in _in_transactions(missing):
            last = letters[-1] is missing[-1]
            through = first.end if last else letters[-1].record.offset + 1
            self._is_open = False  # until it is known to be done
            self._sink.send(letters, through)
            self._is_open = True
            with self._lock:
                self._through = through
                self._sent_of_first += len(letters)
        with self._lock:
            self._queue.popleft()
            self._sent_of_first = 0


def _in_transactions(letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
    chunk: list[DeadLetter] = []
    size = 0
    for letter in letters:
        weight = len(letter.record.value or b"") + len(letter.record.key or b"")
        if chunk and (len(chunk) == MAX_LETTERS or size + weight > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(letter)
        size += weight
    if chunk:
        yield chunk
