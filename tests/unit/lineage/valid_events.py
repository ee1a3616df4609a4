"""OpenLineage's schemas, and what they say of an event."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import ray_pipeline.lineage

GOLDEN = Path(__file__).parents[2] / "golden/openlineage"
OURS = Path(ray_pipeline.lineage.__file__).parent / "schemas"


@cache
def registry() -> Registry[Any]:
    documents = [json.loads(path.read_text()) for path in (*GOLDEN.glob("*.schema.json"), *OURS.rglob("*.json"))]
    return Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in documents])


@cache
def validator(url: str) -> Draft202012Validator:
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator({"$ref": url}, registry=registry(), format_checker=checker)


def facets_of(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    places = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    kinds = ("facets", "inputFacets", "outputFacets")
    return [(name, facet) for place in places for kind in kinds for name, facet in place.get(kind, {}).items()]


def complaints(event: dict[str, Any]) -> list[str]:
    """Return what is wrong with an event: by the event's schema, and by the one that each facet names."""
    found = [f"{e.json_path}: {e.message}" for e in validator(event["schemaURL"]).iter_errors(event)]
    whole = event["schemaURL"].partition("#")[0]
    found += [f"{e.json_path}: {e.message}" for e in validator(whole).iter_errors(event)]
    for name, facet in facets_of(event):
        url = facet["_schemaURL"]
        found += [f"{name}{e.json_path}: {e.message}" for e in validator(url).iter_errors(facet)]
        document = registry().contents(url.partition("#")[0])
        if document["properties"].get(name) != {"$ref": f"#{url.partition('#')[2]}"}:
            found.append(f"{name}: is not the name that its schema gives it")
        found += [f"{name}.{key}: the schema knows no such key" for key in unknown(facet, document)]
    return found


def unknown(facet: dict[str, Any], document: dict[str, Any]) -> set[str]:
    kind = document["$id"].rpartition("/")[2].rpartition(":")[2].removesuffix(".json")
    return set(facet) - set(document["$defs"][kind]["allOf"][1]["properties"]) - {"_producer", "_schemaURL"}
