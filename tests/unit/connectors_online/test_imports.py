"""What a Feast client or a serving process loads with our stores."""

from __future__ import annotations

import json
import subprocess
import sys


def loaded_after(code: str) -> set[str]:
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_store_for_feast_loads_neither_ray_nor_polars() -> None:
    code = (
        "from ray_pipeline.connectors.feast.sqlite import GuardedSqliteOnlineStore, GuardedSqliteOnlineStoreConfig\n"
        "from ray_pipeline.connectors.feast.redis import GuardedRedisOnlineStore, GuardedRedisOnlineStoreConfig\n"
        "GuardedSqliteOnlineStore(), GuardedRedisOnlineStore()"
    )
    assert not loaded_after(code) & {"ray", "polars", "duckdb", "pyiceberg", "confluent_kafka"}


def test_the_stores_themselves_load_no_feast_and_reading_needs_no_polars() -> None:
    code = (
        "from ray_pipeline.connectors.online import online_settings, open_online\n"
        "from ray_pipeline.connectors.online import redis_store, sqlite, reading, values\n"
        "from ray_pipeline.runtime.features import read, answers"
    )
    assert not loaded_after(code) & {"feast", "ray", "polars", "pandas", "pyarrow", "pyiceberg"}
