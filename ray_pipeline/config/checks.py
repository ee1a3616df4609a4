"""What must hold between keys: options that exist, topics that do not meet.

The checks take the plain tree of a file, so that they find their problems also where another key is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ray_pipeline.config.catalog import check_catalog_options
from ray_pipeline.config.librdkafka import check_options
from ray_pipeline.config.options import as_text
from ray_pipeline.config.store import check_store_options

Found = tuple[tuple[str, ...], str]
"""A key path and what is wrong there."""


def check_tree(tree: Mapping[str, Any]) -> list[Found]:
    """Return every problem between the keys of a configuration; parts of a wrong type are passed over.

    >>> check_tree({"kafka": {}, "datasets": {}})
    [(('kafka', 'bootstrap.servers'), 'is missing: host:port of one or more brokers')]
    """
    unsafe = tree.get("kafka_unsafe") is True
    return [
        *_kafka(tree.get("kafka"), unsafe),
        *_store(tree.get("store"), tree.get("store_options")),
        *_catalog(tree.get("catalog")),
        *_topics(tree),
    ]


def _kafka(options: Any, unsafe: bool) -> Iterator[Found]:
    if isinstance(options, Mapping):
        for name, what in check_options(options, unsafe=unsafe):
            yield ("kafka", name), what


def _store(store: Any, options: Any) -> Iterator[Found]:
    if not isinstance(store, str) or not isinstance(options, Mapping):
        return
    if "://" in store and not store.startswith(("s3://", "file://")):
        return  # which options it would take is not known
    flat, problems = _flat("store_options", options)
    yield from problems
    for name, what in check_store_options(store, flat):
        yield ("store_options", name), what


def _catalog(options: Any) -> Iterator[Found]:
    if not isinstance(options, Mapping):
        return
    flat, problems = _flat("catalog", options)
    yield from problems
    for name, what in check_catalog_options(flat):
        yield ("catalog", name), what


def _flat(section: str, options: Mapping[str, Any]) -> tuple[dict[str, str], list[Found]]:
    """Options as dotted names and text, and what is wrong with those that cannot be."""
    flat: dict[str, str] = {}
    problems: list[Found] = []
    for name, value in options.items():
        try:
            flat.update(as_text({name: value}))
        except ValueError:
            problems.append(((section, str(name)), "must be text, a number, true or false"))
    return flat, problems


def _topics(tree: Mapping[str, Any]) -> Iterator[Found]:
    """A record must belong to one dataset, and a dead letter must not come back as a record."""
    datasets = tree.get("datasets")
    if not isinstance(datasets, Mapping):
        return
    datasets = {name: dataset for name, dataset in datasets.items() if isinstance(dataset, Mapping)}
    sources: dict[str, str] = {}
    for name, dataset in datasets.items():
        topic = str(dataset.get("topic") or name)
        if topic in sources:
            yield (
                ("datasets", name, "topic"),
                f"{topic} is the topic of {sources[topic]} already; one topic, one dataset",
            )
        sources.setdefault(topic, name)
    for name, dataset in datasets.items():
        dead_letters = dataset.get("dead_letter_topic")
        if dead_letters in sources:
            what = f"{dead_letters} is the source topic of {sources[dead_letters]}; dead letters need their own topic"
            yield ("datasets", name, "dead_letter_topic"), what
