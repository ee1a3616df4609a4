"""Serving a model: for the length of a block, or until somebody ends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ray_pipeline.runtime.stop_signals import Stop, stop_signals
from ray_pipeline.serve.client import NotServedError, Reply, Serving, in_words
from ray_pipeline.serve.run_file import running
from ray_pipeline.serve.starting import START_SECONDS, StoppedError, check_serve, end, start

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

Say = Callable[[str], None]

_LOOK_SECONDS: Final = 1.0


@contextmanager
def serving(
    config: PipelineConfig,
    *,
    ray_address: str | None = None,
    ready_within: float | None = START_SECONDS,
    on_message: Say | None = None,
) -> Iterator[Serving]:
    """Serve the champion inside the block, on a Ray that is there or a private one, and end it after the block.

    Yields once requests are answered, and raises ``NotServedError`` where they are not within ``ready_within``
    seconds; None: yields once a replica listens, whether or not there is a champion. What was answered is on its topic
    when the block has ended.
    """
    from ray_pipeline.runtime.ray_session import ray_session

    check_serve(config)
    say = on_message or _silent
    with ray_session(ray_address):
        started = start(config, say)
        try:
            if ready_within is not None:
                started.serving.wait_ready(ready_within)
            yield started.serving
        finally:
            end(config, owned=started.owned)


def up(
    config: PipelineConfig,
    *,
    ray_address: str | None = None,
    wait: bool = True,
    on_message: Say | None = None,
    on_up: Callable[[Serving], None] | None = None,
) -> Serving | None:
    """Serve the champion until SIGINT or SIGTERM; on a cluster: deploy, and return. None: ended before it began.

    ``ray_address``, else ``RAY_ADDRESS``, says which cluster; where neither does, Ray is started here and ends with
    this call. On a cluster a second call replaces the replicas one by one, with the new settings.
    ``wait``: on a cluster, return once requests are answered, or raise ``NotServedError`` with the reason.
    ``on_up`` is told when a replica listens.
    """
    from ray_pipeline.runtime.ray_session import ray_session

    check_serve(config)
    say = on_message or _silent
    address = ray_address or os.environ.get("RAY_ADDRESS")
    if address and address != "local":
        with ray_session(address):
            started = start(config, say)
        if on_up is not None:
            on_up(started.serving)
        if wait:
            started.serving.wait_ready(START_SECONDS)
        return started.serving
    stop = Stop()
    with running(config) as note_url, ray_session("local"), stop_signals(stop):
        try:
            started = start(config, say, stop)
        except StoppedError:
            return None
        try:
            note_url(started.serving.url)
            if on_up is not None:
                on_up(started.serving)
            _stay(started.serving, stop, say)
        finally:
            say("ending: requests in flight are answered, and their events delivered; once more to end at once")
            end(config, owned=started.owned, at_once=stop.abort.is_set)
    return started.serving


def _stay(found: Serving, stop: Stop, say: Say) -> None:
    """Wait for the end, and say when requests begin to be answered and when they stop to be."""
    last = ""
    while not stop.drain.wait(_LOOK_SECONDS):
        try:
            state = _in_words(found.ready())
        except NotServedError as error:
            state = f"not ready: {error.reason}"
        if state != last:
            say(state)
            last = state


def _in_words(reply: Reply) -> str:
    if reply.status != 200:
        return f"not ready: {in_words(reply)}"
    model = reply.body["model"]
    warnings = "; ".join(f"{name}: {said}" for name, said in dict(reply.body["warnings"]).items())
    return f"ready: {model['name']}/{model['version']} answers{f' ({warnings})' if warnings else ''}"


def _silent(_: str) -> None:
    return
