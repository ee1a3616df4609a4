"""What a model is served from: four real days, gated, features online, and a model with the example's settings."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import orjson
import polars as pl
import yaml

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.feast.redis import GuardedRedisOnlineStore
from ray_pipeline.connectors.online import open_online
from ray_pipeline.demo.flights import Days, read_flights, read_zones
from ray_pipeline.demo.times import with_true_times
from ray_pipeline.model.spec import read_model_spec
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.online_backfill import backfill
from ray_pipeline.runtime.models.registry import ModelRegistry
from tests.flight_lake import FIRST, ROOT, FlightLake
from tests.prediction_models import TRAINING, registered

MODEL_SPEC = ROOT / "configs" / "flights" / "late_arrival_model.yaml"
DAYS = 4


class World:
    """A lake in a folder, whose champion can be served."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        warnings.simplefilter("ignore")
        self._folder, self._bootstrap = folder, bootstrap
        self._lake = lake = FlightLake(folder)
        lake.publish_days(FIRST, DAYS)
        lake.gate()
        lake.build()
        _fill(lake, lake.config)
        ends = [f"{FIRST + timedelta(days=day)}T00:00:00Z" for day in (2, 3, 4)]
        training = {**TRAINING, "to": ends[-1], "splits": dict(zip(("train", "validation", "test"), ends, strict=True))}
        manifest = registered(lake, spec=replace(read_model_spec(MODEL_SPEC), bootstrap=2), training=training)
        self.columns = len(manifest.columns)
        ModelRegistry(lake.store, lake.config.pipeline).move(
            manifest.name, "champion", manifest.number, expected=None, who="bench", reason="", kind="promote"
        )
        self._model = manifest.name

    def config(self, redis: str | None = None, **serve: object) -> PipelineConfig:
        """Return the lake's configuration with a ``serve`` section, over SQLite or a Redis that is filled here."""
        document = yaml.safe_load(self._lake.file.read_text())
        document["kafka"] = {"bootstrap.servers": self._bootstrap}
        document["datasets"]["predictions"] = {"contract": str(ROOT / "contracts/flights/predictions.odcs.yaml")}
        document["serve"] = {"model": self._model, "port": 0, **serve}
        if redis is not None:
            document["features"] = {"repo": str(self._redis_repo(redis))}
        file = self._folder / "serve.yaml"
        file.write_text(yaml.safe_dump(document))
        config = load_config(file)
        if redis is not None:
            _fill(self._lake, config)
        return config

    def _redis_repo(self, address: str) -> Path:
        folder = self._folder / "redis"
        shutil.copytree(ROOT / "configs" / "flights", folder, dirs_exist_ok=True)
        file = folder / "feature_store.yaml"
        settings = yaml.safe_load(file.read_text())
        kind = GuardedRedisOnlineStore
        settings["online_store"] |= {"type": f"{kind.__module__}.{kind.__name__}", "connection_string": address}
        file.write_text(yaml.safe_dump(settings))
        return folder


def _fill(lake: FlightLake, config: PipelineConfig) -> None:
    """Write the online states of all that landed; the example's model sees no other views."""
    views, settings = stream_fed(config)
    assert settings is not None
    store = open_online(settings)
    assert int(backfill(config, views, settings, store, lake.store).outcome) == 0
    store.close()


def questions() -> list[bytes]:
    """Return one request for each flight of the day that follows the lake's last one."""
    day: date = FIRST + timedelta(days=DAYS)
    flights = with_true_times(read_flights(Days(day, 1)), read_zones()).filter(pl.col("tailnum").is_not_null())
    return [
        orjson.dumps(
            {
                "origin": one["origin"],
                "destination": one["dest"],
                "carrier": one["carrier"],
                "tail_number": one["tailnum"],
                "scheduled_departure_at": one["scheduled_departure"],
                "flight_id": f"{day}-{number}",
            }
        )
        for number, one in enumerate(flights.iter_rows(named=True))
    ]
