"""Everything that a run needs, looked at one by one, each with what to do where it is not there."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.errors import (
    ConfigError,
    ContractError,
    ProblemsError,
    RayPipelineError,
    SourceDeniedError,
    SourceError,
    UsageError,
)
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import DatasetConfig, PipelineConfig
    from ray_pipeline.stream.ports import TopicAdmin, TopicDescription


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    """HELD: as it should be. MISUSED: a file is wrong. BROKEN: it is not fit. UNKNOWN: no answer, or a refusal."""
    found: str
    advice: str = ""
    """What to do about it; also where it holds, if it could be better."""


def examine(
    config_path: Path | str | None = None, overrides: Sequence[str] = (), *, ray_address: str | None = None
) -> Iterator[Check]:
    """Yield each check as it is done: package, configuration, contracts, store, catalog, brokers, topics, Ray.

    Nothing is started. The store gets two small objects, which are removed again; no topic is made. The database of a
    catalog that the configuration names gets the catalog's empty tables, as the first gate would make them.
    """
    from ray_pipeline.config import load_config

    yield _packages()
    try:
        config = load_config(config_path, overrides)
    except ConfigError as error:
        yield from _problems("configuration", error)
    else:
        yield Check(
            "configuration", Outcome.HELD, f"pipeline {config.pipeline}, {_counted(len(config.datasets), 'dataset')}"
        )
        yield from _contracts(config)
        yield _store(config)
        yield _catalog(config)
        yield from _brokers(config)
    yield _machine()
    yield _ray(ray_address)


def overall(checks: Sequence[Check]) -> Outcome:
    """Return what the checks mean together: what is surely wrong first, then what could not be told.

    >>> overall([Check("a", Outcome.HELD, ""), Check("b", Outcome.UNKNOWN, ""), Check("c", Outcome.BROKEN, "")]).name
    'BROKEN'
    """
    found = {check.outcome for check in checks}
    worst = (Outcome.MISUSED, Outcome.BROKEN, Outcome.UNKNOWN)
    return next((outcome for outcome in worst if outcome in found), Outcome.HELD)


def _packages() -> Check:
    import ray_pipeline

    parts = ", ".join(f"{name} {version(name)}" for name in ("ray", "pyarrow", "confluent-kafka", "jsonschema-rs"))
    return Check(
        "packages",
        Outcome.HELD,
        f"ray-pipeline {ray_pipeline.__version__}, Python {platform.python_version()}, {parts}",
    )


def _problems(name: str, error: ProblemsError) -> Iterator[Check]:
    for problem in error.problems:
        yield Check(name, Outcome.MISUSED, str(problem))


def _contracts(config: PipelineConfig) -> Iterator[Check]:
    from ray_pipeline.contracts.load import load_contract

    for name, dataset in config.datasets.items():
        try:
            contract = load_contract(dataset.contract, object_name=dataset.object)
        except ContractError as error:
            yield from _problems(f"contract of {name}", error)
        except UsageError as error:
            yield Check(f"contract of {name}", Outcome.MISUSED, str(error))
        else:
            warnings = "; ".join(str(problem) for problem in contract.warnings)
            yield Check(f"contract of {name}", Outcome.HELD, f"{contract.id} {contract.version}", warnings)


def _store(config: PipelineConfig) -> Check:
    from ray_pipeline.connectors.object_store.probe import probe
    from ray_pipeline.runtime.wiring import open_lake

    new = _missing_folders(config.store)
    try:
        report = probe(open_lake(config))
    except RayPipelineError as error:
        return Check(
            "store", Outcome.UNKNOWN, str(error), "store and store_options in the configuration say where it is"
        )
    finally:
        _remove_empty(new)
    if not report.safe:
        return Check(
            "store",
            Outcome.BROKEN,
            f"{report.store} has no put-if-absent: {report.evidence}",
            "use a store with conditional writes (If-None-Match): exactly once is not possible on this one",
        )
    left = "" if report.cleaned else "it lets nobody delete, so two small _probe objects stay"
    return Check("store", Outcome.HELD, f"{report.store}: put-if-absent held for {report.writers} writers", left)


def _missing_folders(store: str) -> list[Path]:
    """Return the folders that a local store does not have yet, the deepest first."""
    if "://" in store:
        return []
    folder = Path(store)
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Leave no trace of a look: a demo, or a person, takes a folder for somebody's."""
    for folder in folders:
        with suppress(OSError):  # not made, or not empty: somebody else uses it
            for hidden in folder.glob(".*"):
                hidden.rmdir()
            folder.rmdir()


def _catalog(config: PipelineConfig) -> Check:
    """Ask the catalog of the curated tables for the tables that there are."""
    from ray_pipeline.connectors.iceberg.catalog import open_catalog

    name = "curated catalog"
    try:
        with open_catalog(config) as catalog:
            there = sum(catalog.table(dataset) is not None for dataset in config.datasets)
    except UsageError as error:  # a store that is no folder, and no catalog named: ingest is content with that
        return Check(name, Outcome.HELD, "none, which only a gate needs", str(error))
    except RayPipelineError as error:
        return Check(name, Outcome.UNKNOWN, str(error), "the section catalog of the configuration says where it is")
    tables = _counted(there, "table") if there else "no table yet, the first gate makes them"
    return Check(name, Outcome.HELD, f"{catalog.shown}: {tables}")


def _brokers(config: PipelineConfig) -> Iterator[Check]:
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin

    admin = KafkaAdmin(config.kafka)
    try:
        transactions = admin.supports_transactions()
    except SourceError as error:
        yield Check("brokers", Outcome.UNKNOWN, str(error), "start them, or correct the section kafka")
        return
    where = config.kafka.get("bootstrap.servers", "")
    if transactions:
        yield Check("brokers", Outcome.HELD, f"{where} answers")
    else:
        advice = "dead letters are at-least-once there; use a real Kafka for exactly once"
        yield Check("brokers", Outcome.HELD, f"{where} answers: an embedded broker", advice)
    for name, dataset in config.datasets.items():
        yield from _topics(admin, name, dataset, transactions=transactions)


def _topics(admin: TopicAdmin, name: str, dataset: DatasetConfig, *, transactions: bool) -> Iterator[Check]:
    source = _described(admin, dataset.topic)
    if isinstance(source, SourceError):
        yield Check(f"topic of {name}", Outcome.UNKNOWN, str(source), _advice(source, dataset.topic))
        return
    yield Check(f"topic of {name}", Outcome.HELD, f"{source.topic}: {_counted(source.partitions, 'partition')}")
    letters = _described(admin, dataset.dead_letter_topic)
    label = f"dead letters of {name}"
    if isinstance(letters, SourceDeniedError):
        made = "the first run makes it" if transactions else "the embedded broker makes it at the first dead letter"
        yield Check(label, Outcome.HELD, f"{dataset.dead_letter_topic}: not there yet; {made}")
    elif isinstance(letters, SourceError):
        yield Check(label, Outcome.UNKNOWN, str(letters), _advice(letters, dataset.dead_letter_topic))
    else:
        yield Check(label, Outcome.HELD, f"{letters.topic}: {_counted(letters.partitions, 'partition')}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _described(admin: TopicAdmin, topic: str) -> TopicDescription | SourceError:
    try:
        return admin.describe(topic)
    except SourceError as error:
        return error


def _advice(error: SourceError, topic: str) -> str:
    return f"make the topic {topic}, or get the right to read it" if isinstance(error, SourceDeniedError) else ""


def _machine() -> Check:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    found = f"{cpus} CPUs, {free / 2**30:.1f} GiB free in {folder}"
    if free < 2**30:
        return Check("machine", Outcome.BROKEN, found, f"Ray writes its logs and sessions below {folder}: make room")
    return Check("machine", Outcome.HELD, found, "" if cpus > 1 else "one CPU: supervisor and actor will share it")


def _ray(address: str | None) -> Check:
    """Connect to a cluster that was named; a private Ray is not started only to be looked at."""
    address = address or os.environ.get("RAY_ADDRESS")
    if address in (None, "", "local"):
        return Check("ray", Outcome.HELD, f"{version('ray')}; a run starts its own, on loopback only and with a token")
    from ray_pipeline.runtime.ray_session import answers, ray_session

    if not answers(address):
        advice = "start it, or correct RAY_ADDRESS; left out, a run starts its own"
        return Check("ray", Outcome.UNKNOWN, f"nothing answers at {address}", advice)
    try:
        with ray_session(address):
            import ray

            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            cpus = resources.get("CPU", 0.0)
            token = os.environ.get("RAY_AUTH_MODE") == "token"  # Ray sets it where it found a token
    except RayPipelineError as error:
        return Check("ray", Outcome.UNKNOWN, str(error), "check RAY_ADDRESS, or leave it out for a private Ray")
    found = f"{version('ray')} at {address}, {cpus:.0f} CPUs"
    if token:
        return Check("ray", Outcome.HELD, f"{found}, asks for a token")
    advice = "start every node with RAY_AUTH_MODE=token and one RAY_AUTH_TOKEN"
    return Check(
        "ray", Outcome.BROKEN, f"{found}, asks for no token: whoever reaches its ports runs code there", advice
    )
