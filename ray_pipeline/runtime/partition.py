"""The owner of one partition: from the log's tail to the next entry, and the dead letters after it.

It joins ``stream`` and ``lake`` and knows neither Ray nor Kafka, so that its every step can be simulated. The order
of the steps is the design: files first, then the one log entry that makes them count, then the dead-letter topic,
which repeats what was committed. On any error the owner starts again at the log's tail, with a new claim.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FencedError, PartitionStoppedError, SinkFencedError, SourceUnavailableError
from ray_pipeline.lake.entries import Data, Pause, Release, Tail
from ray_pipeline.lake.fold import is_freed_by
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.landing import Checkpoint, Describe, keep_contract, land_bad, land_rows
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.rows import landed_table
from ray_pipeline.lake.topics import enrol_topic, find_logs
from ray_pipeline.runtime.committed_letters import LogLetters
from ray_pipeline.runtime.stop_details import bad_share, log_truncated, offsets_expired, topic_recreated
from ray_pipeline.stream.breaker import MIN_RECORDS, Breaker
from ray_pipeline.stream.dead_letters import DeadLetterProjection
from ray_pipeline.stream.judging import Judged, judge_batch, sort_out
from ray_pipeline.stream.pending import CommitLimits, Pending
from ray_pipeline.stream.ports import DeadLetterSink, TopicAdmin, TopicDescription
from ray_pipeline.stream.start import StartPolicy, resolve_starts
from ray_pipeline.types import (
    Offset,
    Position,
    RecordBatch,
    SourceId,
    StopReason,
    TopicPartition,
    Watermarks,
)

if TYPE_CHECKING:
    from ray_pipeline.runtime.features.projection import FeatureProjection


def no_effects(_: str) -> None:
    """Do nothing: the place where a test of crashes ends the process."""


class PartitionOwner:
    """Owns one partition between :meth:`own` and :meth:`release`.

    One thread calls it; any other may ``judge``, and one other may ``project``.

    ``make_sink`` gets the topic's identity: dead-letter progress of an earlier topic of the same name is not ours, so
    the group that stores it must be another one.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        admin: TopicAdmin,
        make_sink: Callable[[SourceId], DeadLetterSink],
        contract: DataContract,
        pipeline: str,
        dataset: str,
        topic_partition: TopicPartition,
        owner: str,
        supervisor: int,
        clock: Clock,
        rng: Random,
        start: StartPolicy = "earliest",
        limits: CommitLimits | None = None,
        max_bad_share: float = 0.5,
        breaker_records: int = MIN_RECORDS,
        effects: Callable[[str], None] = no_effects,
        make_features: Callable[[LogId, Tail], FeatureProjection] | None = None,
        describe: Describe | None = None,
    ) -> None:
        self._store, self._admin, self._make_sink, self._contract = store, admin, make_sink, contract
        self._pipeline, self._dataset, self._tp = pipeline, dataset, topic_partition
        self._owner, self._supervisor = owner, supervisor
        self._clock, self._rng, self._effects = clock, rng, effects
        self._make_features, self._describe = make_features, describe
        self._start, self._limits = start, limits or CommitLimits()
        self._max_bad_share, self._breaker_records = max_bad_share, breaker_records
        self._log: PartitionLog | None = None
        self._tail: Tail | None = None
        self._letters: LogLetters | None = None
        self._pending = Pending(0, 0)
        self._breaker = Breaker(1)
        self._sink: DeadLetterSink | None = None
        self._projection: DeadLetterProjection | None = None
        self._claimed: LogId | None = None
        """The log that the projection repeats; known also after a stop."""
        self._features: FeatureProjection | None = None

    # -- what others ask --------------------------------------------------------------------------------------

    @property
    def tail(self) -> Tail | None:
        """The log as this owner last knew it; None before the first :meth:`own`."""
        return self._tail

    @property
    def source(self) -> SourceId | None:
        """Which topic is owned; None while nothing is."""
        return None if self._log is None else self._log.id.source

    @property
    def committed(self) -> Offset:
        """Up to where everything is committed."""
        return 0 if self._tail is None else self._tail.end

    @property
    def pending_records(self) -> int:
        """Records read and not committed."""
        return self._pending.records

    @property
    def pending_bytes(self) -> int:
        """Size of their values."""
        return self._pending.bytes

    @property
    def pending_dead_letters(self) -> int:
        """Committed dead letters that are not known to be in the topic."""
        return 0 if self._projection is None else self._projection.backlog

    @property
    def dead_letter_trouble(self) -> str:
        """Why the dead-letter topic lags; empty while it does not."""
        return "" if self._projection is None else self._projection.trouble

    @property
    def features(self) -> FeatureProjection | None:
        """What keeps the online values; None where there are none. It needs no claim, and outlives a lost one."""
        return self._features

    # -- the steps --------------------------------------------------------------------------------------------

    def own(self) -> Position:
        """Claim the partition and return where to read; whoever owned it before can write no more.

        Raises ``PartitionStoppedError`` where a person must decide first, ``FencedError`` where a newer supervisor
        has the partition.
        """
        self._close_sink()
        described = self._admin.describe(self._tp.topic)
        log = self._find_log(described)
        self._refuse_pause(log.tail)
        keep_contract(self._store, self._pipeline, self._contract)
        self._effects("during_claim")
        tail = log.claim(owner=self._owner, supervisor=self._supervisor, contract=self._contract.ref)
        self._refuse_pause(tail)  # the owner before may have stopped meanwhile
        # Asked only now: an earlier answer could be older than what that owner committed, and look like truncation.
        marks = self._admin.watermarks([self._tp])[self._tp]
        self._refuse_other_topic(log)
        self._check_position(log, marks)
        self._begin(log)
        return Position(tail.end, tail.leader_epoch)

    def judge(self, batch: RecordBatch) -> Judged:
        """Judge a batch; pure, for the reading thread."""
        return judge_batch(self._contract, batch)

    def land(self, judged: Judged) -> int:
        """Take a judged batch into the pending checkpoint, mostly outside the GIL; return how many were bad."""
        result = sort_out(self._contract, judged)
        table = None
        if result.table is not None and result.table.num_rows:
            table = landed_table(self._contract, judged.batch, result.rows, result.table)
        self._pending.add(judged.batch, result, table, judged.bytes, self._clock.monotonic())
        self._breaker.observe(len(judged.batch), result.refused)
        return len(result.bad)

    def due(self) -> bool:
        """Say whether :meth:`commit` is to be called now."""
        return self._breaker.tripped is not None or self._pending.is_due(self._limits, self._clock.monotonic())

    def commit(self) -> bool:
        """Commit what is pending: its files, then the one entry that makes them count. False: nothing was pending.

        Raises ``PartitionStoppedError`` instead when the breaker tripped.
        """
        log, pending = self._owned_log(), self._pending
        if self._breaker.tripped is not None:
            self._stop(
                log,
                StopReason.BAD_SHARE,
                bad_share(self._dataset, self._tp.partition, self._breaker.tripped, self._contract.ref),
            )
        if pending.end == pending.start:
            return False
        self._refuse_other_topic(log)
        entry = self._land_files(log, pending)
        self._effects("after_upload")
        self._effects("before_log_put")
        self._tail = log.append(entry)
        self._effects("after_log_put")
        self._pending = Pending(entry.end, entry.end)
        self._breaker.committed()
        assert self._projection is not None
        assert self._letters is not None
        # The usual case: dead letters go out at once, from memory. A backlog is read back from its files instead.
        at_hand = None if self._projection.backlog else pending.bad
        self._projection.committed(entry.end, self._letters.letters_of(entry, at_hand))
        if self._features is not None:
            self._features.committed(entry, pending.tables)
        return True

    def project(self, *, final: bool = False) -> None:
        """Bring the dead-letter topic up to the last commit, as far as it can be written now.

        Another thread may do this while the owner's own lands and commits; not while it owns, releases or closes.
        """
        projection, claimed = self._projection, self._claimed
        if projection is None or claimed is None:
            return
        behind = projection.backlog
        if behind:
            self._effects("before_dlq_commit")
        try:
            projection.catch_up(final=final)
        except SinkFencedError as error:
            winner = read_tail(self._store, claimed)
            raise FencedError(str(claimed), self._owner, winner.owner if winner else "others") from error
        if projection.backlog < behind:
            self._effects("after_dlq_commit")

    def release(self) -> None:
        """Leave in order. What is pending is dropped: commit first."""
        log = self._log
        self._log, self._pending = None, Pending(0, 0)
        if log is None:
            return
        with suppress(FencedError):  # somebody has it already, which is all that a release is for
            self._tail = log.append(Release(log.tail.epoch, log.nonce(), log.written_at()))

    def close(self) -> None:
        """Let the dead-letter sink and the online values go; the log is left as it is."""
        if self._features is not None:
            self._features.close()
            self._features = None
        self._close_sink()

    # -- owning -----------------------------------------------------------------------------------------------

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        self._log, self._projection, self._pending = None, None, Pending(0, 0)
        if sink is not None:
            sink.close()

    def _find_log(self, described: TopicDescription) -> PartitionLog:
        log = self._log_of(described.source.cluster, described.source.topic_id)
        if log.load() is None:
            self._refuse_recreated(described)
            record = enrol_topic(
                self._store,
                self._pipeline,
                self._tp.topic,
                described.source,
                lambda: resolve_starts(self._start, self._admin, described),
            )
            log.open_log(record.start_of(self._tp.partition))
        return log

    def _log_of(self, cluster: str, topic_id: str) -> PartitionLog:
        log = LogId(self._pipeline, self._tp.topic, cluster, topic_id, self._tp.partition)
        return PartitionLog(self._store, log, clock=self._clock, rng=self._rng)

    def _refuse_recreated(self, described: TopicDescription) -> None:
        """Stop where another incarnation of the topic has a log that nobody closed."""
        for known in find_logs(self._store, self._pipeline, self._tp.topic):
            if known.partition != self._tp.partition or known.source == described.source:
                continue
            old = self._log_of(known.cluster, known.topic_id)
            tail = old.load()
            if tail is None or tail.closed:
                continue
            # Asked again, now that its log was read: else that log might be of a newer topic than we know of.
            if self._admin.describe(self._tp.topic).source != described.source:
                raise SourceUnavailableError(self._tp.topic, "the topic is being made again")
            detail = topic_recreated(self._dataset, tail.end, known.source, described.source)
            try:
                if tail.pause is None or tail.pause.reason != StopReason.TOPIC_RECREATED:
                    old.claim(owner=self._owner, supervisor=self._supervisor, contract=self._contract.ref)
                    self._stop(old, StopReason.TOPIC_RECREATED, detail)
            except FencedError:
                closed = old.load()
                if closed is None or not closed.closed:
                    raise
                continue  # a person accepted it just now
            raise self._stopped(StopReason.TOPIC_RECREATED, detail)

    def _refuse_other_topic(self, log: PartitionLog) -> None:
        """Stop where the topic is no longer the one that the log is about.

        A consumer reads by name. An id never comes back, so what was read before this answer is of this topic: asked
        before each commit, no record of another topic can pass for one of this, however late a client notices.
        """
        now = self._admin.describe(self._tp.topic).source
        if now != log.id.source:
            detail = topic_recreated(self._dataset, log.tail.end, log.id.source, now)
            self._stop(log, StopReason.TOPIC_RECREATED, detail)

    def _refuse_pause(self, tail: Tail) -> None:
        pause = tail.pause
        if pause is not None and not is_freed_by(tail, self._contract.digest):
            raise self._stopped(StopReason(pause.reason), pause.detail)

    def _check_position(self, log: PartitionLog, marks: Watermarks) -> None:
        end = log.tail.end
        if end < marks.low:
            self._stop(log, StopReason.OFFSETS_EXPIRED, offsets_expired(self._dataset, end, marks.low))
        if end > marks.high:
            self._stop(log, StopReason.LOG_TRUNCATED, log_truncated(self._dataset, end, marks.high))

    def _begin(self, log: PartitionLog) -> None:
        self._log, self._tail = log, log.tail
        tail = self._tail
        self._letters = LogLetters(self._store, log, self._tp)
        self._pending = Pending(tail.end, tail.end)
        self._breaker = Breaker(self._max_bad_share, min_records=self._breaker_records, overridden=tail.overridden)
        self._claimed = log.id
        self._sink = self._make_sink(log.id.source)
        self._projection = DeadLetterProjection(
            self._sink,
            self._letters,
            known_through=tail.dlq_through,
            committed=tail.end,
            clock=self._clock,
            rng=self._rng,
        )
        self._follow_log(log)

    def _follow_log(self, log: PartitionLog) -> None:
        """Have online values follow this log; what they have folded of it stays good, whoever claims it."""
        features = self._features
        if features is not None and features.log == log.id:
            features.follow(log.tail.end)
        elif self._make_features is not None:
            if features is not None:
                features.close()
            self._features = self._make_features(log.id, log.tail)

    def _owned_log(self) -> PartitionLog:
        if self._log is None:
            raise AssertionError(f"{self._tp} is not owned")
        return self._log

    # -- stopping ---------------------------------------------------------------------------------------------

    def _stop(self, log: PartitionLog, reason: StopReason, detail: str) -> None:
        """Write the pause and raise; what is pending is read again after it."""
        tail = log.tail
        self._log, self._pending = None, Pending(0, 0)
        pause = Pause(tail.epoch, log.nonce(), tail.end, str(reason), detail, self._contract.ref, log.written_at())
        self._tail = log.append(pause)
        raise self._stopped(reason, detail)

    def _stopped(self, reason: StopReason, detail: str) -> PartitionStoppedError:
        return PartitionStoppedError(self._tp.topic, self._tp.partition, str(reason), detail)

    # -- committing -------------------------------------------------------------------------------------------

    def _land_files(self, log: PartitionLog, pending: Pending) -> Data:
        assert self._projection is not None
        nonce, epoch = log.nonce(), log.tail.epoch
        checkpoint = Checkpoint(self._pipeline, self._tp, pending.start, pending.end, epoch, nonce)
        landed = land_rows(self._store, checkpoint, pending.tables, self._contract.event_time, self._describe)
        bad_files = land_bad(self._store, checkpoint, pending.bad, self._contract.ref)
        return Data(
            epoch=epoch,
            nonce=nonce,
            start=pending.start,
            end=pending.end,
            leader_epoch=pending.leader_epoch,
            good=pending.good,
            bad=len(pending.bad),
            tombstones=pending.tombstones,
            skipped=pending.skipped,
            files=landed.files,
            bad_files=bad_files,
            by_rule=dict(sorted(pending.by_rule.items())),
            truncated=pending.truncated,
            contract=self._contract.ref,
            dlq_through=self._projection.through,
            event_time_min=landed.event_time_min,
            event_time_max=landed.event_time_max,
            max_timestamp=pending.max_timestamp if pending.max_timestamp >= 0 else None,
            breaker="overridden" if self._breaker.stays_overridden else "armed",
            committed_at=log.written_at(),
        )
