"""Small contracts for tests."""

from __future__ import annotations

import json
from typing import Any


def contract_text(members: list[dict[str, Any]], *, terms: dict[str, Any] | None = None, **root: Any) -> str:
    """An ODCS contract of one object ``t``, as YAML (which JSON is), one key a line."""
    schema: dict[str, Any] = {"name": "t", "properties": members}
    if terms:
        schema["customProperties"] = [{"property": name, "value": value} for name, value in terms.items()]
    whole = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "a", "version": "1.0.0", "schema": [schema]}
    return json.dumps(whole | root, indent=1)
