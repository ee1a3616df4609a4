"""Tables of the README that are made from the code: print them with ``python -m tests.e2e.readme_facts``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ray_pipeline.cli.main import VERBS
from ray_pipeline.config.models import DatasetConfig, PipelineConfig
from ray_pipeline.connectors.kafka.dead_letters import envelope, stub
from ray_pipeline.contracts.verdicts.codes import CODES
from ray_pipeline.runtime.metrics import COUNTERS, GAUGES, TAGS
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import BadRecord, ContractRef, TopicPartition, Violation

_SAID = {
    "datasets.<name>.topic": "the dataset's name",
    "datasets.<name>.dead_letter_topic": "`<topic>.dead-letters`",
    "datasets.<name>.object": "the only one",
    "store_options": "none",
    "catalog": "in a folder as store: SQLite",
    "lineage.namespace": "the pipeline's name",
    "drift.windows": "`[2, 3]`",
    "drift.without": "none",
    "retrain.arming": "`[labels, estimate, deadline]`",
}
"""Defaults that depend on other keys, in words."""


def configuration() -> list[str]:
    """One row per key of a configuration file, in the order of the models."""
    return table(("key", "default", "meaning"), [(f"`{key}`", *rest) for key, *rest in _keys(PipelineConfig, "")])


def codes() -> list[str]:
    """One row per rule code of ours."""
    return table(("code", "meaning"), [(f"`{code}`", meaning) for code, meaning in CODES.items()])


def metrics() -> list[str]:
    """One row per metric, under the name that Prometheus sees."""
    rows = [(f"`ray_{name}_total`", text) for name, text in COUNTERS.items()]
    rows += [(f"`ray_{name}`", text) for name, text in GAUGES.items()]
    return table((f"metric, by {', '.join(f'`{tag}`' for tag in TAGS)}", "meaning"), rows)


def commands() -> list[str]:
    """One row per verb."""
    return table(("command", "what it does"), [(f"`{verb.name}`", verb.summary) for verb in VERBS.values()])


def header_names() -> set[str]:
    """Every header that a dead letter may get from us."""
    violations = tuple(Violation((), "r" * 1000, "", "") for _ in range(20))  # too many for one header
    record = BadRecord(offset=0, timestamp=0, key=None, value=b"", headers=(), violations=violations)
    letter = DeadLetter(TopicPartition("t", 0), record, ContractRef("c", "1", "d"), "bad.parquet")
    return {name for name, _ in envelope(letter).headers + stub(letter, limit=1_000_000).headers}


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    meanings = _docstrings(model)
    for name, field in model.model_fields.items():
        key = prefix + name
        if name == "datasets":
            yield from _keys(DatasetConfig, f"{key}.<name>.")
        elif isinstance(field.default, BaseModel):
            yield from _keys(type(field.default), f"{key}.")
        else:
            yield key, _default(key, field.default), meanings[name]


def _default(key: str, default: object) -> str:
    if key in _SAID:
        return _SAID[key]
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    text = str(default).lower() if isinstance(default, bool) else str(default).removesuffix(".0")
    return f"`{text}`"


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field."""
    [definition] = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            first = str(text.value.value).partition("\n\n")[0]
            found[ast.unparse(field.target)] = " ".join(first.split()).replace("``", "`")
    return found


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown, as lines."""
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


if __name__ == "__main__":
    for part in (configuration, codes, metrics, commands):
        print("\n".join(part()), end="\n\n")
    print(sorted(header_names()))
