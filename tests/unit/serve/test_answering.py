"""What a replica asks its online store before it says that it is ready; and who leaves in the middle of a request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import ray

from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.errors import OnlineStoreUnavailableError
from ray_pipeline.runtime.predictions.policy import Policies
from ray_pipeline.serve.answering import Answering
from ray_pipeline.serve.deployment import _leaving
from ray_pipeline.testing.online import MemoryOnlineStore
from tests import prediction_stub as stub


@pytest.mark.parametrize("clock", list(ClockKind))
def test_a_store_without_the_models_views_is_not_ready(clock: ClockKind) -> None:
    """As one whose file was moved away: it answers, and knows nobody."""
    empty = Answering(stub.predictor(), MemoryOnlineStore(), clock, Policies())
    with pytest.raises(OnlineStoreUnavailableError, match="holds no view of this model"):
        empty.probe()
    Answering(stub.predictor(), stub.store(), clock, Policies()).probe()


def test_a_client_that_leaves_is_told_as_asgi_tells_it() -> None:
    heard: list[Any] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        heard.append(await receive())

    async def gone() -> Any:
        raise ray.exceptions.TaskCancelledError

    asyncio.run(_leaving(app)({"type": "http"}, gone, None))
    assert heard == [{"type": "http.disconnect"}]
