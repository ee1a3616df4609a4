"""Pipelines of their own for tests against real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker.support import Site


@pytest.fixture
def make_site(tmp_path: Path, kafka: Any, s3_server: Any, make_topic: Callable[..., str]) -> Iterator[Any]:
    """Make a pipeline with a topic and a bucket of its own: ``make_site(partitions=1, ingest={})``."""
    sites: list[Site] = []

    def make(partitions: int = 1, **settings: Any) -> Site:
        folder = tmp_path / f"site-{len(sites)}"
        folder.mkdir()
        topic = make_topic(partitions=partitions)
        make_topic(partitions=partitions, name=f"{topic}.dead-letters")  # a run would make it, and wait to be sure
        store = f"{s3_server.new_bucket()}/lake"
        sites.append(Site(folder, kafka.bootstrap, store, s3_server.options, topic, partitions, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A pipeline with one topic of two partitions."""
    return make_site(partitions=2)
