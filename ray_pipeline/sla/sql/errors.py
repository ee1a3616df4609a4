"""Why a query gave no answer, in one sentence that holds no value of a row."""

from __future__ import annotations

from ray_pipeline.errors import RayPipelineError


class SqlRuleError(RayPipelineError):
    """A query of a contract was refused, stopped or failed. The sentence is ours, never DuckDB's with values in it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class RowPredicateError(SqlRuleError):
    """A condition could not be judged on some row, so its whole check could not be; ``id`` is the measure's."""

    def __init__(self, id_: str, sentence: str) -> None:
        super().__init__(sentence)
        self.args = (id_, sentence)
        self.id = id_
