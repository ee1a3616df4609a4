"""Every error that this package raises on purpose.

::

    RayPipelineError
    ├── ProblemsError                 several problems at once, each with file, line and key
    │   ├── ConfigError               the configuration is wrong
    │   ├── ContractError             a data contract is wrong
    │   └── FeatureDefinitionError    a feature definition is wrong
    ├── UsageError                    asked wrongly: an unknown dataset, a file that is not there
    ├── LakeError
    │   ├── StoreUnavailableError     the store did not answer (retryable)
    │   ├── StoreDeniedError          bucket or folder absent, credential refused
    │   ├── StoreUnsafeError          the store has no put-if-absent: exactly once is not possible on it
    │   ├── CommitUnknownError        the store did not say whether the commit landed
    │   ├── FencedError               another owner holds the partition now
    │   ├── GateBusyError             another gate works on this dataset now (retryable)
    │   ├── LogBrokenError            the commit log contradicts itself
    │   ├── FileCorruptError          a file is not what its log entry says
    │   ├── CatalogUnavailableError   the Iceberg catalog did not answer, or is locked (retryable)
    │   ├── CatalogDeniedError        the catalog answered no: credential refused, driver missing, no catalog at all
    │   ├── CatalogConflictError      others keep changing the table, or it is not at the decision it should be at
    │   └── TableSchemaError          columns that the table cannot take without losing what it holds
    ├── FeatureError
    │   ├── FeatureComputeError       an expression raised, or gave what its feature cannot be
    │   ├── FeatureTableError         an offline table is of another definition, or cannot take this one
    │   ├── MaterializationError      what was written online is not what the offline table says
    │   ├── OnlineStoreUnavailableError  the online store did not answer, or is full (retryable)
    │   └── OnlineStoreDeniedError    the online store answered no: credential refused, no such folder, another format
    ├── ModelError
    │   ├── TrainingError             no model comes of this training set, or the job that trained it ended or hung
    │   ├── ModelFileError            a model's file is not the one its manifest names, or holds types not listed
    │   ├── ModelMismatchError        the repository has changed since the model was trained: it would be asked wrongly
    │   ├── AliasConflictError        somebody else moved the alias meanwhile (retryable)
    │   ├── NoModelError              no such version, or nobody holds the alias
    │   └── PredictionLogError        an answer cannot be handed to its topic now (retryable)
    ├── SourceError
    │   ├── SourceUnavailableError    no broker answers (retryable)
    │   ├── SourceDeniedError         topic absent, or no right to read it
    │   └── PartitionStoppedError     a person must decide: offsets expired, log truncated, topic re-created, breaker
    └── SinkError
        ├── SinkUnavailableError      the dead-letter topic cannot be written now (retryable)
        └── SinkFencedError           another producer of the same transactional id took over

Facts are in ``args``, in order, and the sentence is made in ``__str__``: this is the shape that
survives pickling, so that a driver sees the error that an actor raised. An error carries
identities (topic, offset, file, key), never a payload and never a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file that a person wrote, and what to do about it.

    >>> str(Problem("a.yaml", 7, "kafka.bootstrap.server", "unknown key; did you mean bootstrap.servers?"))
    'a.yaml:7: kafka.bootstrap.server: unknown key; did you mean bootstrap.servers?'
    """

    file: str
    line: int | None
    key: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        kind = "warning: " if self.warning else ""
        return f"{where}: {self.key}: {kind}{self.message}" if self.key else f"{where}: {kind}{self.message}"


class RayPipelineError(Exception):
    """The root of the tree. ``retryable`` says whether the same call may succeed later."""

    retryable: ClassVar[bool] = False


class ProblemsError(RayPipelineError):
    """One or more problems, all found in one pass."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ConfigError(ProblemsError):
    """The configuration is wrong; nothing was started."""


class ContractError(ProblemsError):
    """A data contract is wrong; nothing was judged with it."""


class FeatureDefinitionError(ProblemsError):
    """A feature definition is wrong; nothing was computed with it."""


class UsageError(RayPipelineError):
    """Asked wrongly: the sentence says what and what would be right."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class LakeError(RayPipelineError):
    """The object store, or what lies in it."""


class StoreUnavailableError(LakeError):
    """The store did not answer in time, or answered that it cannot now."""

    retryable = True

    def __init__(self, store: str, operation: str, reason: str) -> None:
        super().__init__(store, operation, reason)
        self.store, self.operation, self.reason = store, operation, reason

    def __str__(self) -> str:
        return f"{self.store} did not {self.operation}: {self.reason}"


class StoreDeniedError(LakeError):
    """The store answered no: bucket absent, credential or permission refused."""

    def __init__(self, store: str, operation: str, reason: str) -> None:
        super().__init__(store, operation, reason)
        self.store, self.operation, self.reason = store, operation, reason

    def __str__(self) -> str:
        return f"{self.store} refused to {self.operation}: {self.reason}"


class StoreUnsafeError(LakeError):
    """Without put-if-absent two owners of a partition could both commit."""

    def __init__(self, store: str, evidence: str) -> None:
        super().__init__(store, evidence)
        self.store, self.evidence = store, evidence

    def __str__(self) -> str:
        return (
            f"{self.store} cannot create an object only where none is ({self.evidence}), so exactly once is not "
            "possible on it; use a store with conditional writes (If-None-Match)"
        )


class CommitUnknownError(LakeError):
    """The store did not say whether the commit landed."""

    retryable = True

    def __init__(self, log: str, entry: int) -> None:
        super().__init__(log, entry)
        self.log, self.entry = log, entry

    def __str__(self) -> str:
        return f"entry {self.entry} of {self.log}: outcome unknown, read the log before trying again"


class FencedError(LakeError):
    """Another owner claimed the partition; this one must stop writing and exit."""

    def __init__(self, log: str, mine: str, winner: str) -> None:
        super().__init__(log, mine, winner)
        self.log, self.mine, self.winner = log, mine, winner

    def __str__(self) -> str:
        return f"{self.log}: {self.mine} was replaced by {self.winner}, which owns the partition now"


class GateBusyError(LakeError):
    """Another gate works on this dataset; this one did nothing."""

    retryable = True

    def __init__(self, gate: str, holder: str, until: str) -> None:
        super().__init__(gate, holder, until)
        self.gate, self.holder, self.until = gate, holder, until

    def __str__(self) -> str:
        return f"{self.gate}: {self.holder} works on it until {self.until}; wait, or run this gate again after that"


class LogBrokenError(LakeError):
    """The log contradicts itself; nothing more is written to it."""

    def __init__(self, log: str, entry: int, reason: str) -> None:
        super().__init__(log, entry, reason)
        self.log, self.entry, self.reason = log, entry, reason

    def __str__(self) -> str:
        return f"entry {self.entry} of {self.log}: {self.reason}; run `ray-pipeline verify`"


class FileCorruptError(LakeError):
    """A file is missing, or its bytes are not those that the log entry names."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


class CatalogUnavailableError(LakeError):
    """The catalog did not answer, or somebody holds its lock; what was published before stays readable."""

    retryable = True

    def __init__(self, catalog: str, operation: str, reason: str) -> None:
        super().__init__(catalog, operation, reason)
        self.catalog, self.operation, self.reason = catalog, operation, reason

    def __str__(self) -> str:
        return f"{self.catalog} did not {self.operation}: {self.reason}"


class CatalogDeniedError(LakeError):
    """The catalog answered no, or cannot be used from here."""

    def __init__(self, catalog: str, operation: str, reason: str) -> None:
        super().__init__(catalog, operation, reason)
        self.catalog, self.operation, self.reason = catalog, operation, reason

    def __str__(self) -> str:
        return f"{self.catalog} refused to {self.operation}: {self.reason}"


class CatalogConflictError(LakeError):
    """Another writer was quicker than every attempt, or the table is not where this publication begins."""

    def __init__(self, table: str, decision: int, reason: str) -> None:
        super().__init__(table, decision, reason)
        self.table, self.decision, self.reason = table, decision, reason

    def __str__(self) -> str:
        return f"decision {self.decision} is not in table {self.table}: {self.reason}"


class TableSchemaError(LakeError):
    """The table cannot take these columns or this file; nothing was written."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(table, reason)
        self.table, self.reason = table, reason

    def __str__(self) -> str:
        return f"table {self.table}: {self.reason}" if self.table else self.reason


class FeatureError(RayPipelineError):
    """Features: computing them, their offline tables, the online store."""


class FeatureComputeError(FeatureError):
    """A view cannot be computed from these events; nothing of it was published."""

    def __init__(self, view: str, feature: str, reason: str) -> None:
        super().__init__(view, feature, reason)
        self.view, self.feature, self.reason = view, feature, reason

    def __str__(self) -> str:
        return (
            f"view {self.view}, {self.feature}: {self.reason}" if self.feature else f"view {self.view}: {self.reason}"
        )


class FeatureTableError(FeatureError):
    """An offline table holds another definition's rows, or cannot take these."""

    def __init__(self, view: str, reason: str) -> None:
        super().__init__(view, reason)
        self.view, self.reason = view, reason

    def __str__(self) -> str:
        return f"offline table of view {self.view}: {self.reason}"


class MaterializationError(FeatureError):
    """What is online is not what was to be written; the view's watermark stays where it was."""

    def __init__(self, view: str, reason: str) -> None:
        super().__init__(view, reason)
        self.view, self.reason = view, reason

    def __str__(self) -> str:
        return f"view {self.view} is not materialised: {self.reason}"


class OnlineStoreUnavailableError(FeatureError):
    """The online store did not answer in time, is locked, or is full. Landing goes on; online values lag."""

    retryable = True

    def __init__(self, store: str, operation: str, reason: str) -> None:
        super().__init__(store, operation, reason)
        self.store, self.operation, self.reason = store, operation, reason

    def __str__(self) -> str:
        return f"{self.store} did not {self.operation}: {self.reason}"


class OnlineStoreDeniedError(FeatureError):
    """The online store answered no."""

    def __init__(self, store: str, operation: str, reason: str) -> None:
        super().__init__(store, operation, reason)
        self.store, self.operation, self.reason = store, operation, reason

    def __str__(self) -> str:
        return f"{self.store} refused to {self.operation}: {self.reason}"


class ModelError(RayPipelineError):
    """Models: training them, keeping them, answering with them."""


class DriftError(RayPipelineError):
    """Watching what a model was trained for."""


class BaselineError(DriftError):
    """There is nothing to compare with, or it is of something else."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(subject, reason)
        self.subject, self.reason = subject, reason

    def __str__(self) -> str:
        return f"the baseline of {self.subject}: {self.reason}"


class RetrainError(ModelError):
    """The loop could not go on; the champion is what it was."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"the loop of model {self.model}: {self.reason}"


class TrainingError(ModelError):
    """No model version came of it; the champion is what it was."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model} was not trained: {self.reason}"


class ModelFileError(ModelError):
    """A file of a model version cannot be trusted; nothing of it was loaded."""

    def __init__(self, version: str, file: str, reason: str) -> None:
        super().__init__(version, file, reason)
        self.version, self.file, self.reason = version, file, reason

    def __str__(self) -> str:
        return f"{self.file} of model {self.version}: {self.reason}"


class ModelMismatchError(ModelError):
    """What the feature repository says now is not what the model was trained on."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(version, reason)
        self.version, self.reason = version, reason

    def __str__(self) -> str:
        return f"model {self.version} cannot answer: {self.reason}"


class AliasConflictError(ModelError):
    """The alias was not at the version that the move began from; nothing was moved."""

    retryable = True

    def __init__(self, model: str, alias: str, expected: int | None, found: int | None) -> None:
        super().__init__(model, alias, expected, found)
        self.model, self.alias, self.expected, self.found = model, alias, expected, found

    def __str__(self) -> str:
        names = ["no version" if one is None else f"version {one}" for one in (self.expected, self.found)]
        if self.expected == self.found:
            return (
                f"{self.alias} of model {self.model} is {names[1]} again, and was another one meanwhile: somebody else "
                f"moved it; look at `ray-pipeline model show {self.model}` and decide again"
            )
        return (
            f"{self.alias} of model {self.model} is {names[1]} now, not {names[0]}: somebody else moved it; "
            f"look at `ray-pipeline model show {self.model}` and decide again"
        )


class NoModelError(ModelError):
    """There is no such model, version or alias."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model}: {self.reason}"


class PredictionLogError(ModelError):
    """The topic of predictions does not take an answer's event; an answer that is not kept is not given."""

    retryable = True

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic, self.reason = topic, reason

    def __str__(self) -> str:
        return f"topic {self.topic} does not take predictions: {self.reason}"


class SourceError(RayPipelineError):
    """Kafka as a source."""


class SourceUnavailableError(SourceError):
    """No broker answers, or none that can serve this request now."""

    retryable = True

    def __init__(self, brokers: str, reason: str) -> None:
        super().__init__(brokers, reason)
        self.brokers, self.reason = brokers, reason

    def __str__(self) -> str:
        advice = "" if "check " in self.reason else "; check that it runs, and kafka.bootstrap.servers"
        return f"no answer from Kafka at {self.brokers}: {self.reason}{advice}"


class SourceDeniedError(SourceError):
    """The brokers answer, and the answer is no: topic absent, or no right to it."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class PartitionStoppedError(SourceError):
    """One partition stopped and waits for a person; ``reason`` is one of :class:`ray_pipeline.types.StopReason`."""

    def __init__(self, topic: str, partition: int, reason: str, detail: str) -> None:
        super().__init__(topic, partition, reason, detail)
        self.topic, self.partition, self.reason, self.detail = topic, partition, reason, detail

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] stopped ({self.reason}): {self.detail}"


class SinkError(RayPipelineError):
    """The dead-letter topic. What is committed stays committed; only the projection waits."""


class SinkUnavailableError(SinkError):
    """The dead-letter topic cannot be written now: absent, denied, or no broker answers."""

    retryable = True

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic, self.reason = topic, reason

    def __str__(self) -> str:
        return f"dead-letter topic {self.topic}: {self.reason}"


class SinkFencedError(SinkError):
    """Another producer with this transactional id was started; read the log's tail before going on."""

    def __init__(self, transactional_id: str) -> None:
        super().__init__(transactional_id)
        self.transactional_id = transactional_id

    def __str__(self) -> str:
        return f"producer {self.transactional_id} was fenced by a newer one"
