"""Facets: the named parts of an event, each of which says who made it and which schema it keeps.

The names and versions are OpenLineage's own, of spec 2-0-2; ours begin with ``rayPipeline_`` and their schemas lie in
the folder ``schemas`` beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Facet = dict[str, Any]
Event = dict[str, Any]

_SPEC = "https://openlineage.io/spec"
_OURS = "urn:ray-pipeline:lineage"
EVENT_SCHEMA = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"

_FACETS: Mapping[str, tuple[str, str]] = {
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "dataQualityAssertions": ("1-1-0", "DataQualityAssertionsDatasetFacet"),
    "dataQualityMetrics": ("1-0-3", "DataQualityMetricsInputDatasetFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "lifecycleStateChange": ("1-0-1", "LifecycleStateChangeDatasetFacet"),
    "nominalTime": ("1-0-1", "NominalTimeRunFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "ownership": ("1-0-1", "OwnershipJobFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "storage": ("1-0-1", "StorageDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
}
_OUR_FACETS: Mapping[str, tuple[str, str]] = {
    "rayPipeline_gate": ("1-0-0", "RayPipelineGateRunFacet"),
    "rayPipeline_model": ("1-0-0", "RayPipelineModelDatasetFacet"),
    "rayPipeline_offsets": ("1-0-0", "RayPipelineOffsetsRunFacet"),
}


def package_version() -> str:
    """Return the version of this package; 0 where it runs uninstalled."""
    try:
        return version("ray-pipeline")
    except PackageNotFoundError:
        return "0"


def producer() -> str:
    """Return the URI that names this package and its version as the maker of events."""
    return f"urn:ray-pipeline:{package_version()}"


def schema_url(name: str) -> str:
    """Return where the schema of a facet stands.

    >>> schema_url("nominalTime"), schema_url("rayPipeline_offsets")
    ('https://openlineage.io/spec/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet', \
'urn:ray-pipeline:lineage:1-0-0:RayPipelineOffsetsRunFacet.json#/$defs/RayPipelineOffsetsRunFacet')
    """
    if name in _OUR_FACETS:
        number, kind = _OUR_FACETS[name]
        return f"{_OURS}:{number}:{kind}.json#/$defs/{kind}"
    number, kind = _FACETS[name]
    return f"{_SPEC}/facets/{number}/{kind}.json#/$defs/{kind}"


def facet(name: str, /, **values: Any) -> dict[str, Facet]:
    """Return the facet under its name; a value of None is left out."""
    given = {key: value for key, value in values.items() if value is not None}
    return {name: {"_producer": producer(), "_schemaURL": schema_url(name)} | given}
