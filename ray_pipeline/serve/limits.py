"""How many requests a replica works on, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque

from ray_pipeline.serve.refusal import Refusal


class Turns:
    """A bounded queue in front of a bounded number of turns; first come, first served.

    A turn is held until its work has really ended. A request that is given up for being too slow may leave its
    thread waiting for a store that hangs, and that thread still counts: others are refused at once instead of
    waiting behind it. Everything here happens on one event loop.
    """

    def __init__(self, ongoing: int, queued: int) -> None:
        self._free, self._queued = ongoing, queued
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.ongoing = 0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(not one.done() for one in self._waiting)

    async def take(self) -> None:
        """Wait for a turn; raise ``Refusal`` at once where too many wait already."""
        if self._free:
            self._free -= 1
            self.ongoing += 1
            return
        if self.waiting >= self._queued:
            raise Refusal("busy")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came in the very moment in which nobody waited any more
                self.give_back()
            else:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """End a turn; the request that has waited longest gets it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
        self.ongoing -= 1
