"""Threads that run one at a time, in an order that a seed decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random


class Crashed(BaseException):
    """The process of an actor ends here; not an ``Exception``, so that no code under test can survive it."""


class Actor:
    """One process of the simulation."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name, self.body = name, body
        self.turn = threading.Lock()  # a bare lock: handing on the baton is most of what a simulation does
        self.turn.acquire()
        self.frozen_until = 0
        self.failure: BaseException | None = None


class Baton:
    """Only the actor that holds the baton runs; :meth:`step`, called around every effect, may hand it on.

    The thread that made the baton is an actor too: it drives the world.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.steps = 0
        self.driver = Actor("driver", lambda: None)
        self.alive: list[Actor] = [self.driver]
        self.current = self.driver
        self.ending = False
        self.crash_share = 0.0
        self.freeze_share = 0.0
        self.failures: list[tuple[str, BaseException]] = []

    def spawn(self, name: str, body: Callable[[], None]) -> Actor:
        actor = Actor(name, body)
        self.alive.append(actor)
        threading.Thread(target=self._live, args=(actor,), daemon=True, name=name).start()
        return actor

    def step(self) -> None:
        """Perhaps let others run; perhaps never return, because the process is killed here."""
        me = self.current
        self.steps += 1
        self._hand_on(me)
        if me is self.driver:
            return
        if self.ending:
            raise Crashed
        chance = self._rng.random()
        if chance < self.crash_share:
            raise Crashed
        if chance < self.crash_share + self.freeze_share:
            me.frozen_until = self.steps + self._rng.randint(20, 150)

    def end(self) -> None:
        """Kill every actor, so that no thread outlives the simulation."""
        self.ending = True
        for actor in self.alive:
            actor.frozen_until = 0
        while len(self.alive) > 1:
            self._give(self.driver, self.alive[-1])

    def _hand_on(self, me: Actor) -> None:
        if self._rng.random() < 0.6 and me.frozen_until <= self.steps and me in self.alive:
            return
        ready = [actor for actor in self.alive if actor.frozen_until <= self.steps]
        if not ready:  # only sleepers: the first to wake is next
            ready = [min(self.alive, key=lambda actor: actor.frozen_until)]
            self.steps = max(self.steps, ready[0].frozen_until)
        self._give(me, self._rng.choice(ready))

    def _give(self, me: Actor, other: Actor) -> None:
        if other is me:
            return
        self.current = other
        other.turn.release()
        me.turn.acquire()

    def _live(self, actor: Actor) -> None:
        actor.turn.acquire()
        try:
            if not self.ending:
                actor.body()
        except Crashed:
            pass
        except BaseException as error:
            self.failures.append((actor.name, error))
        self.alive.remove(actor)
        heir = self.driver if self.ending else self._rng.choice(self.alive)
        self.current = heir
        heir.turn.release()
