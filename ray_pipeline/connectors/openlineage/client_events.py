"""Our events as the client's own, which its transports take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent


def client_event(event: dict[str, Any]) -> RunEvent:
    """Return the client's event that is written as this one; ``ValueError`` or ``KeyError`` where it is none."""
    from openlineage.client import event_v2 as client

    run, job = event["run"], event["job"]
    return client.RunEvent(
        eventType=client.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=client.Run(run["runId"], facets=run["facets"]),
        job=client.Job(job["namespace"], job["name"], facets=job["facets"]),
        inputs=[
            client.InputDataset(one["namespace"], one["name"], one.get("inputFacets"), facets=one["facets"])
            for one in event["inputs"]
        ],
        outputs=[
            client.OutputDataset(one["namespace"], one["name"], one.get("outputFacets"), facets=one["facets"])
            for one in event["outputs"]
        ],
        producer=event["producer"],
    )
