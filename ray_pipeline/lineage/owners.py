"""Who owns a dataset, as its contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.yaml_lines import read_yaml

from .facets import Facet, facet


def ownership(contract: DataContract) -> dict[str, Facet]:
    """Return the ownership facet of a contract that names its team; nothing where it names none.

    A team is a role, its members are persons: they stay in the contract.
    """
    name = _team(contract)
    return facet("ownership", owners=[{"name": f"team:{name}", "type": "OWNER"}]) if name else {}


def _team(contract: DataContract) -> str | None:
    if contract.kind != "odcs":
        return None
    data: Any = read_yaml(contract.text, contract.file).data  # JSON is YAML too
    team = data.get("team") if isinstance(data, Mapping) else None
    name = team.get("name") if isinstance(team, Mapping) else None
    return name if isinstance(name, str) and name else None
