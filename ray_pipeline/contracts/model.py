"""A data contract as a value: what it demands of a record, and what a valid record lands as.

Build one with :func:`ray_pipeline.contracts.load.load_contract`. The three questions that a pipeline asks
(``validate``, ``judge``, ``columns``) are answered in ``verdicts/``; the compiled judge is made at the first
question, kept with the contract, and left behind when the contract is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from ray_pipeline.errors import Problem
from ray_pipeline.types import ContractRef

from .shape import Record, RootShape

if TYPE_CHECKING:
    import pyarrow as pa

    from .verdicts import Columns, Judgement, RecordJudge, Verdicts

Kind = Literal["odcs", "json-schema"]
Formats = Literal["assert", "annotate"]
SubMicroseconds = Literal["refuse", "truncate"]
Tombstones = Literal["reject", "skip"]

_JUDGE = "_judge"


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one record, checked before anything is parsed or built from it."""

    max_bytes: int = 1_000_000
    max_depth: int = 64
    max_keys: int = 10_000
    max_items: int = 100_000


@dataclass(frozen=True, eq=False, repr=False)
class DataContract:
    """One immutable version of what a dataset's records must be.

    ``json_schema`` alone decides whether a record is valid; ``shape`` alone decides what it lands as. Two contracts
    are equal when they were made from the same text, asked in the same way.
    """

    id: str
    version: str
    name: str
    digest: str
    """SHA-256 of ``text``, in hex: the contract's identity in the lake."""
    text: str
    file: str
    """Where the text came from, for messages; never opened again."""
    kind: Kind
    dataset: str | None
    """The name of the ODCS schema object; None for a bare JSON Schema."""
    physical_name: str | None
    json_schema: dict[str, Any] | bool
    draft: int
    """4, 6, 7, 2019 or 2020."""
    shape: RootShape
    event_time: str | None = None
    """The top-level date or timestamp column that says when the event happened."""
    formats: Formats = "assert"
    """Whether ``format`` decides. An ODCS type (date, timestamp, time) always does; see ``load_contract``."""
    sub_microseconds: SubMicroseconds = "refuse"
    tombstones: Tombstones = "reject"
    land_headers: bool = False
    rows_independent: bool = False
    """One row says nothing of another: drift may be tested row by row. Left out, whole days are compared."""
    limits: Limits = field(default_factory=Limits)
    resources: Mapping[str, object] = field(default_factory=dict)
    """URI → document: with the bundled metaschemas, all that a ``$ref`` may reach."""
    warnings: tuple[Problem, ...] = ()

    @property
    def ref(self) -> ContractRef:
        """The identity that lands beside each row."""
        return ContractRef(self.id, self.version, self.digest)

    @property
    def read_schema(self) -> pa.Schema:
        """What ``pyarrow.json`` is told: dates and times as strings, cast afterwards."""
        from .arrow import read_schema

        return read_schema(self.shape)

    @property
    def landing_schema(self) -> pa.Schema:
        """The contract's own columns in Parquet; the lake adds ``_topic``, ``_offset`` and the rest."""
        from .arrow import landing_schema

        return landing_schema(self.shape)

    def validate(self, records: Sequence[bytes]) -> Verdicts:
        """Judge every record and land the valid ones in one Arrow table, in order."""
        given: object = records
        if isinstance(given, bytes | str):
            raise TypeError(f"records is {type(given).__name__}; give a list of records, each of them bytes")
        for kind in set(map(type, records)) - {bytes, type(None)}:
            if not issubclass(kind, bytes | bytearray):
                raise TypeError(f"a record is bytes, as Kafka has it, not {kind.__name__}; encode it as JSON first")
        return self._judge_of_mine().validate(records)

    def judge(self, values: Sequence[bytes | None]) -> Judgement:
        """Say which values are valid, and all that is wrong with the others. None is a tombstone."""
        return self._judge_of_mine().judge(values)

    def columns(self, judgement: Judgement) -> Columns:
        """Land the valid values of a judgement; mostly outside the GIL."""
        return self._judge_of_mine().columns(judgement)

    def _judge_of_mine(self) -> RecordJudge:
        judge: RecordJudge | None = self.__dict__.get(_JUDGE)
        if judge is None:
            from .verdicts import RecordJudge

            judge = self.__dict__[_JUDGE] = RecordJudge(self)
        return judge

    def _identity(self) -> tuple[object, ...]:
        return (self.digest, self.dataset, self.formats, self.id, self.version)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataContract):
            return NotImplemented
        return self._identity() == other._identity() and dict(self.resources) == dict(other.resources)

    def __hash__(self) -> int:
        return hash(self._identity())

    def __getstate__(self) -> dict[str, Any]:
        # A compiled judge holds native objects that cannot travel; the receiver compiles its own.
        return {name: value for name, value in self.__dict__.items() if name != _JUDGE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        what = f"{self.dataset!r}, {self._columns_in_words()}"
        return f"<DataContract {self.id!r} version {self.version} ({self.kind}): {what}, digest {self.digest[:12]}>"

    def _columns_in_words(self) -> str:
        if not isinstance(self.shape, Record):
            return "one column of JSON text"
        count = len(self.shape.fields)
        return f"{count} column{'' if count == 1 else 's'}{', open' if self.shape.open else ''}"

    def _repr_html_(self) -> str:
        from .describe import describe

        described = describe(self)
        rows = "".join(
            f"<tr><td><code>{escape(column['name'])}</code></td><td>{escape(column['json_type'])}</td>"
            f"<td>{escape(column['arrow_type'])}</td><td>{'yes' if column['required'] else 'no'}</td></tr>"
            for column in described["columns"]
        )
        return (
            f"<b>{escape(self.id)}</b> version {escape(self.version)} "
            f"({escape(self.kind)}, digest <code>{self.digest[:12]}</code>)"
            f"<table><thead><tr><th>column</th><th>in JSON</th><th>in Arrow</th><th>required</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
