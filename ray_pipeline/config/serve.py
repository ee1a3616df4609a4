"""How the model answers: the ``serve`` section of the configuration."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Policy(StrEnum):
    """What becomes of a request whose features are not all there."""

    ANSWER = "answer"
    """The model answers without them, and the answer says which."""
    REFUSE = "refuse"


class HandOff(StrEnum):
    """When an answer may leave."""

    QUEUED = "queued"
    """Its event lies in the producer's bounded queue: a killed process loses what is in it."""
    ACKNOWLEDGED = "acknowledged"
    """The brokers have its event."""


class ServeConfig(BaseModel):
    """A model, and how it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    model: str | None = None
    """The model whose champion answers. Left out: this pipeline serves none."""
    predictions: str = "predictions"
    """The dataset that answers are events of; its contract is the one in contracts/flights/predictions.odcs.yaml."""
    hand_off: HandOff = HandOff.QUEUED
    """When an answer may leave: its event is queued, or acknowledged by the brokers."""
    host: str = "127.0.0.1"
    """Where HTTP listens."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0: any free one."""
    token: SecretStr | None = None
    """What clients send as ``Authorization: Bearer …``. Left out: nobody is asked, and only loopback is listened to."""
    direct: bool = False
    """Clients talk to the replicas themselves, without Serve's proxy process (experimental in Ray)."""
    replicas: int = Field(default=1, ge=1, le=100)
    """Processes that answer."""
    max_ongoing: int = Field(default=16, ge=1, le=1000)
    """Requests that one replica works on at a time."""
    max_queued: int = Field(default=64, ge=1, le=10_000)
    """Requests that may wait for a replica; one more gets 503."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """Longer than this no request waits: 504."""
    max_body_bytes: int = Field(default=65_536, ge=256, le=10_000_000)
    """A larger request gets 413."""
    refresh_seconds: float = Field(default=2.0, ge=0.1, le=3600)
    """How often a replica looks which version is champion."""
    on_missing: Policy = Policy.ANSWER
    """A feature that nothing is known of (NOT_FOUND)."""
    on_stale: Policy = Policy.ANSWER
    """A feature that is older than its view's ttl (OUTSIDE_MAX_AGE), or cannot be said for the moment (INVALID)."""
    on_unavailable: Policy = Policy.REFUSE
    """The online store does not answer."""
