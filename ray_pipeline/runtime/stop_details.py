"""Why a partition waits for a person, in words that say what to do."""

from __future__ import annotations

from ray_pipeline.types import ContractRef, Offset, SourceId


def topic_recreated(dataset: str, end: Offset, before: SourceId, now: SourceId) -> str:
    """The topic of this name is another one than the log is about."""
    return (
        f"the topic was deleted and made again: its log up to offset {end} is of topic id {before.topic_id}, "
        f"and now it has {now.topic_id}; `ray-pipeline resume {dataset} --accept-gap` closes that log and "
        "reads the new topic from its beginning"
    )


def offsets_expired(dataset: str, end: Offset, low: Offset) -> str:
    """Records were removed before they were read."""
    return (
        f"offsets {end} to {low - 1} were removed from the topic before they were read; "
        f"`ray-pipeline resume {dataset} --accept-gap` records the gap and goes on at {low}"
    )


def log_truncated(dataset: str, end: Offset, high: Offset) -> str:
    """The topic ends before what was read of it."""
    return (
        f"offset {end} is committed, but the topic ends at {high}: the brokers lost records that were "
        f"read; once it has grown past {end}, `ray-pipeline resume {dataset} --accept-gap` goes on "
        "there, and gives up what was written to the lost offsets since"
    )


def bad_share(dataset: str, partition: int, why: str, contract: ContractRef) -> str:
    """The breaker tripped."""
    return (
        f"{why} under contract {contract.id} {contract.version}; correct the contract and start again, or let them be "
        f"dead letters with `ray-pipeline resume {dataset} --partition {partition}`"
    )
