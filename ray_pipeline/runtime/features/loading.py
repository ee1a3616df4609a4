"""What a run needs to keep online values: the stream-fed views, compiled, and where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ray_pipeline.features.shape import Feed

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.online import OnlineSettings
    from ray_pipeline.features.definition import CompiledView

    Found = tuple[tuple[CompiledView, ...], OnlineSettings | None]


def stream_fed(config: PipelineConfig) -> Found:
    """Return the views whose online values the stream writes, and the online store's settings.

    Nothing, and nothing is imported, where the configuration has no features or wants none online. Raises
    ``FeatureDefinitionError`` or ``ConfigError`` with every problem.
    """
    repo = config.features.repo
    if repo is None or not config.features.online:
        return (), None
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.connectors.online import online_settings

    views = tuple(view for view in load_repo(config).views if view.shape.feed is Feed.STREAM)
    return (views, online_settings(repo, config)) if views else ((), None)


@contextmanager
def loading(config: PipelineConfig) -> Iterator[Callable[[], Found]]:
    """Load them beside what else is to be done: importing Feast takes seconds. The yielded call waits for it."""
    if config.features.repo is None or not config.features.online:
        yield lambda: ((), None)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="feature-definitions") as pool:
        yield pool.submit(stream_fed, config).result
