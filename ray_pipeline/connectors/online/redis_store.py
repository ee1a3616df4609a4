"""The online store on a Redis server: for partition actors and Feast clients of many machines.

Keys begin with ``rp:{PROJECT/VIEW}``. The braces make one slot of a cluster out of a view, as a script needs it, and
spread the views:

- ``…:s:DEFINITION:ENTITY``  a hash, source → offset and state
- ``…:v:ENTITY``             a text, event time, created time and values
- ``…:entities``             a sorted set of the entities; the score is when one expires
- ``…:definitions``          a set: those that have states
- ``…:marks``                a hash, definition and source → offset and publication time
- ``rp:{PROJECT}:views``     a set: those that have marks; ``rp:{PROJECT}:format``
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from ray_pipeline.connectors.online.redis_address import address
from ray_pipeline.connectors.online.redis_scripts import (
    STAMP,
    WRITE_MARKS,
    WRITE_ROWS,
    WRITE_STATES,
    stamp,
    unstamped,
)
from ray_pipeline.connectors.online.redis_trouble import translate
from ray_pipeline.connectors.online.settings import OnlineSettings
from ray_pipeline.errors import OnlineStoreDeniedError
from ray_pipeline.features.ports import Asked, SourceMark, StateRow, Together, ValueRow, WriteCounts

FORMAT = b"1"
_AT_ONCE = 2_000
"""Rows of one run of a script: nobody else is answered while it runs."""
_Script = tuple[str, list[str], list[Any]]
"""A script, its keys and its arguments."""


class RedisStore:
    """An online store on one server, which is asked for the first time by the first call."""

    def __init__(self, settings: OnlineSettings) -> None:
        where = address(settings.connection)
        self._shown = f"the online store {where.shown}"
        self._project = quote(settings.project, safe="")
        # One attempt more, because an idle connection may have been closed; the guards make that harmless.
        self._redis = redis.Redis.from_url(
            where.url,
            socket_timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._lock, self._checked = threading.Lock(), False
        self._marked: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The store for people, without its password."""
        return self._shown

    def write_states(self, rows: Sequence[StateRow], marks: Sequence[SourceMark]) -> WriteCounts:
        """Write the states of each view and definition by one script, and the marks when all of them are there."""
        calls: list[_Script] = []
        by_target = sorted(range(len(rows)), key=lambda index: (rows[index].view, rows[index].definition))
        for (view, definition), indexes in groupby(by_target, lambda i: (rows[i].view, rows[i].definition)):
            prefix = self._states(view, definition)
            fixed = [self._key(view, "entities"), self._key(view, "definitions")]
            for some in _chunks([rows[index] for index in indexes]):
                keys = [*fixed, *(f"{prefix}{row.entity}" for row in some)]
                values: list[Any] = [len(prefix.encode()), definition]
                for row in some:
                    values += (row.source, stamp(row.offset), row.state)
                calls.append((WRITE_STATES, keys, values))
        with self._asking("write states"):
            written = sum(self._run(calls))
            if marks:  # in a round trip of its own: a mark must never say more than the states do
                self._redis.sadd(self._views, *{mark.view for mark in marks})
                self._run([self._marking(view, marks) for view in sorted({mark.view for mark in marks})])
        return WriteCounts(written, len(rows) - written)

    def _marking(self, view: str, marks: Sequence[SourceMark]) -> _Script:
        said: list[Any] = []
        for mark in marks:
            if mark.view == view:
                said += (f"{mark.definition}/{mark.source}", stamp(mark.offset), stamp(mark.published_us))
        return WRITE_MARKS, [self._key(view, "marks")], said

    def read_states(self, view: str, definition: str, entities: Sequence[str]) -> list[list[StateRow]]:
        """Return the states of each entity, by source."""
        prefix = self._states(view, definition)
        with self._asking("read states"):
            answers = self._pipelined([("HGETALL", f"{prefix}{entity}") for entity in entities])
        return _states(view, definition, entities, answers)

    def write_rows(self, view: str, rows: Sequence[ValueRow], *, expire_seconds: float | None = None) -> WriteCounts:
        """Write values by one script; with ``expire_seconds`` Redis forgets each row so long after its last write."""
        prefix = self._key(view, "v:")
        first = [len(prefix.encode()), int((expire_seconds or 0) * 1000)]
        calls: list[_Script] = []
        for some in _chunks(rows):
            keys = [self._key(view, "entities"), *(f"{prefix}{row.entity}" for row in some)]
            values: list[Any] = [*first]
            for row in some:
                values += (stamp(row.event_us, row.created_us), row.values)
            calls.append((WRITE_ROWS, keys, values))
        with self._asking("write values"):
            written = sum(self._run(calls))
        return WriteCounts(written, len(rows) - written)

    def read_rows(self, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        """Return the row of each entity."""
        if not entities:
            return []
        prefix = self._key(view, "v:")
        with self._asking("read values"):
            found: Any = self._redis.mget([f"{prefix}{entity}" for entity in entities])
        return _rows(entities, found)

    def read_together(self, asked: Sequence[Asked], *, marks: bool) -> Together:
        """Return states and rows of several views, and the marks, in one round trip.

        Marks are asked of the views that had some the last time; where they changed, it takes one more round trip.
        """
        with self._asking("read features"):
            found, marked = self._together(asked, self._marked if marks else ()), self._marked
            if marks and (there := tuple(sorted(member.decode() for member in found[0]))) != marked:
                found, marked = self._together(asked, there), there
                self._marked = there
        answers = iter(found[1:])
        return Together(
            _marks(marked, [next(answers) for _ in marked]) if marks else [],
            [
                _states(one.view, one.definition, one.entities, [next(answers) for _ in one.entities])
                for one in asked
                if one.definition is not None
            ],
            [_rows(one.entities, next(answers)) if one.entities else [] for one in asked if one.definition is None],
        )

    def _together(self, asked: Sequence[Asked], marked: Sequence[str]) -> list[Any]:
        """Ask for the views that have marks, for the marks of some, for states, and for rows, in this order."""
        commands: list[tuple[Any, ...]] = [("SMEMBERS", self._views)]
        commands += [("HGETALL", self._key(view, "marks")) for view in marked]
        for one in asked:
            if one.definition is not None:
                prefix = self._states(one.view, one.definition)
                commands += [("HGETALL", f"{prefix}{entity}") for entity in one.entities]
        for one in asked:
            if one.definition is None and one.entities:
                prefix = self._key(one.view, "v:")
                commands.append(("MGET", *(f"{prefix}{entity}" for entity in one.entities)))
        return self._pipelined(commands)

    def marks(self, view: str | None = None) -> list[SourceMark]:
        """Return how far every source is in the view, or in every view."""
        with self._asking("read its marks"):
            members: Any = self._redis.smembers(self._views) if view is None else ()
            views = sorted(member.decode() for member in members) if view is None else [view]
            found = self._pipelined([("HGETALL", self._key(name, "marks")) for name in views])
        return _marks(views, found)

    def count(self, view: str) -> int:
        """Return how many entities the view has; one that expired counts no more."""
        with self._asking("count entities"):
            found: Any = self._redis.zcount(self._key(view, "entities"), self._now(), "+inf")
        return int(found)

    def entities(self, view: str, limit: int) -> list[str]:
        """Return some entities of the view: those that expire first, then in the order of their keys."""
        with self._asking("list entities"):
            found: Any = self._redis.zrangebyscore(self._key(view, "entities"), self._now(), "+inf", start=0, num=limit)
        return [entity.decode() for entity in found]

    def drop(self, view: str, *, keep: str | None = None) -> None:
        """Forget a view's states, rows and marks; with ``keep``, only states and marks of its other definitions."""
        index, definitions, marks = (self._key(view, name) for name in ("entities", "definitions", "marks"))
        with self._asking("drop a view"):
            known, marked = self._pipelined([("SMEMBERS", definitions), ("HKEYS", marks)])
            gone = [definition.decode() for definition in known if definition.decode() != keep]
            fields = [field for field in marked if field.decode().split("/", 1)[0] != keep]
            if fields:  # first: what has no states any more must not be said to have them
                self._redis.hdel(marks, *fields)
            prefixes = [self._states(view, definition) for definition in gone]
            prefixes += [] if keep is not None else [self._key(view, "v:")]
            entities = (entity.decode() for entity, _ in self._redis.zscan_iter(index, count=1000))
            for some in _chunks([f"{prefix}{entity}" for entity in entities for prefix in prefixes]):
                self._redis.unlink(*some)
            if keep is None:
                self._redis.unlink(index, definitions)
                self._redis.srem(self._views, view)
            elif gone:
                self._redis.srem(definitions, *gone)

    def close(self) -> None:
        """Let connections go; a later call opens one again."""
        self._redis.close()

    @property
    def _views(self) -> str:
        return f"rp:{{{self._project}}}:views"

    def _key(self, view: str, name: str) -> str:
        return f"rp:{{{self._project}/{quote(view, safe='')}}}:{name}"

    def _states(self, view: str, definition: str) -> str:
        return self._key(view, f"s:{definition}:")

    def _now(self) -> int:
        found: Any = self._redis.time()
        return int(found[0])

    @contextmanager
    def _asking(self, operation: str) -> Iterator[None]:
        try:
            if not self._checked:
                with self._lock:
                    self._check(operation)
            yield
        except RedisError as error:
            raise translate(error, self._shown, operation) from None

    def _check(self, operation: str) -> None:
        """See that what is there is ours, and that the server does not throw states away by itself."""
        key = f"rp:{{{self._project}}}:format"
        found: Any = self._redis.get(key)
        if found is None:
            self._redis.set(key, FORMAT, nx=True)
        elif found != FORMAT:
            said = found.decode(errors="replace")[:20]
            raise OnlineStoreDeniedError(
                self._shown, operation, f"it has format {said!r}, and this version knows format {FORMAT.decode()}"
            )
        try:
            memory: Any = self._redis.info("memory")
        except ResponseError:  # not allowed to everybody; then the operator must know
            memory = {}
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys") and memory.get("maxmemory"):
            raise OnlineStoreDeniedError(
                self._shown,
                operation,
                f"it evicts keys when its memory is full (maxmemory-policy {policy}), and a window without one of its "
                "states is silently wrong; set maxmemory-policy to noeviction or volatile-ttl",
            )
        self._checked = True

    def _run(self, calls: Sequence[_Script]) -> list[int]:
        """Run scripts in one round trip; one more where the server does not know them yet."""
        commands = [("EVALSHA", _digest(script), len(keys), *keys, *values) for script, keys, values in calls]
        answers = self._pipelined(commands, known=NoScriptError)
        if unknown := [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]:
            for script in {calls[index][0] for index in unknown}:
                self._redis.script_load(script)
            for index, answer in zip(unknown, self._pipelined([commands[i] for i in unknown]), strict=True):
                answers[index] = answer
        return [int(answer) for answer in answers]

    def _pipelined(self, commands: Sequence[tuple[Any, ...]], known: type[RedisError] | None = None) -> list[Any]:
        """Return the answers to commands that travel together. redis-py's own message of an error repeats them."""
        if not commands:
            return []
        pipe: Any = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not (known and isinstance(answer, known)):
                raise answer
        return answers


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _states(view: str, definition: str, entities: Sequence[str], answers: Sequence[Any]) -> list[list[StateRow]]:
    return [
        [
            StateRow(view, definition, entity, source.decode(), unstamped(data[:STAMP]), data[STAMP:])
            for source, data in sorted(found.items())
        ]
        for entity, found in zip(entities, answers, strict=True)
    ]


def _rows(entities: Sequence[str], answers: Sequence[bytes | None]) -> list[ValueRow | None]:
    return [None if data is None else _row(entity, data) for entity, data in zip(entities, answers, strict=True)]


def _marks(views: Sequence[str], answers: Sequence[Any]) -> list[SourceMark]:
    return [
        _mark(view, field.decode(), data)
        for view, marks in zip(views, answers, strict=True)
        for field, data in sorted(marks.items())
    ]


def _mark(view: str, field: str, data: bytes) -> SourceMark:
    definition, source = field.split("/", 1)
    return SourceMark(view, definition, source, unstamped(data[:STAMP]), unstamped(data[STAMP:]))


def _row(entity: str, data: bytes) -> ValueRow:
    return ValueRow(entity, unstamped(data[:STAMP]), unstamped(data[STAMP : 2 * STAMP]), data[2 * STAMP :])


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
