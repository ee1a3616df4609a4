"""Reading a sound configuration."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from ray_pipeline.config import Options, PipelineConfig, load_config
from ray_pipeline.errors import ConfigError, UsageError
from tests.unit.config.conftest import GOOD, Load

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
SECRETS = ("KAFKA_PASSWORD", "S3_KEY", "S3_SECRET", "CATALOG_CREDENTIAL", "SERVE_TOKEN", "LINEAGE_TOKEN")


def test_defaults_fill_what_is_left_out(load: Load, folder: Path) -> None:
    config = load()
    departures = config.datasets["departures"]
    assert departures.topic == "departures"
    assert departures.dead_letter_topic == "departures.dead-letters"
    assert departures.object is None
    assert config.ingest.actors == "auto"
    assert config.ingest.start == "earliest"
    assert config.ingest.max_bad_share == 0.5
    assert config.ingest.bad_share_min_records == 1000
    assert (config.ingest.commit_every.records, config.ingest.commit_every.seconds) == (100_000, 10)
    assert config.store_options == Options()


def test_relative_paths_count_from_the_file_and_not_from_the_current_folder(
    load: Load, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    config = load()
    assert config.store == str(folder / "configs" / "lake")
    assert config.datasets["departures"].contract == folder / "contracts" / "departures.yaml"


def test_relative_paths_of_an_override_count_from_the_current_folder(
    load: Load, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    config = load(GOOD, "store=./elsewhere", "datasets.departures.contract=contracts/arrivals.yaml")
    assert config.store == str(folder / "elsewhere")
    assert config.datasets["departures"].contract == folder / "contracts" / "arrivals.yaml"


@pytest.mark.parametrize(
    ("store", "expected"),
    [("/srv/lake", "/srv/lake"), ("file:///srv/lake", "/srv/lake"), ("s3://bucket/a/", "s3://bucket/a")],
)
def test_a_store_may_be_absolute_or_s3(load: Load, store: str, expected: str) -> None:
    assert load(GOOD.replace("./lake", store)).store == expected


def test_variables_come_from_the_environment(load: Load) -> None:
    text = GOOD.replace("127.0.0.1:9092", "${HOST:-localhost}:${PORT}").replace("flights", "${NAME:-flights}")
    config = load(text, PORT="1", HOST="", NAME="other")
    assert config.kafka["bootstrap.servers"] == "localhost:1"
    assert config.pipeline == "other"


def test_a_variable_may_stand_where_a_number_is_wanted(load: Load) -> None:
    config = load(GOOD + "ingest:\n  actors: ${N:-4}\n  max_bad_share: ${SHARE}\n", SHARE="0.25")
    assert (config.ingest.actors, config.ingest.max_bad_share) == (4, 0.25)


def test_overrides_are_typed_and_reach_dotted_options(load: Load) -> None:
    config = load(
        GOOD,
        "kafka.bootstrap.servers=a:1,b:2",
        "kafka.security.protocol=SSL",
        "kafka.fetch.wait.max.ms=100",
        "store=s3://bucket/x",
        "store_options.client_kwargs.region_name=eu-west-1",
        "ingest.actors=3",
        "ingest.commit_every.seconds=0.5",
        "datasets.departures.topic=dep.v2",
        "pipeline=other",
    )
    assert config.kafka["bootstrap.servers"] == "a:1,b:2"
    assert config.kafka["fetch.wait.max.ms"] == "100"
    assert config.store_options == Options({"client_kwargs.region_name": "eu-west-1"})
    assert config.ingest.actors == 3
    assert config.ingest.commit_every.seconds == 0.5
    assert config.datasets["departures"].dead_letter_topic == "dep.v2.dead-letters"
    assert config.pipeline == "other"


def test_an_override_repairs_what_the_file_leaves_open(load: Load) -> None:
    text = GOOD.replace("127.0.0.1:9092", "${UNSET}")
    assert load(text, "kafka.bootstrap.servers=a:1").kafka["bootstrap.servers"] == "a:1"


def test_a_store_option_may_be_nested_as_fsspec_has_it(load: Load) -> None:
    text = GOOD.replace("./lake", "s3://bucket") + "store_options:\n  anon: true\n  client_kwargs: {region_name: eu}\n"
    assert load(text).store_options == Options({"anon": "true", "client_kwargs.region_name": "eu"})


def test_words_that_old_yaml_reads_as_something_else_stay_words(load: Load, folder: Path) -> None:
    text = GOOD.replace("  arrivals:\n", "  no:\n")
    assert set(load(text).datasets) == {"departures", "no"}


@pytest.mark.parametrize("start", ["2013-01-01T00:00:00Z", "2013-01-01T01:00:00+01:00", '"2013-01-01 00:00:00Z"'])
def test_a_start_may_be_a_moment(load: Load, start: str) -> None:
    assert load(GOOD + f"ingest: {{start: {start}}}\n").ingest.start == datetime(2013, 1, 1, tzinfo=UTC)


def test_keys_left_empty_mean_their_default(load: Load) -> None:
    config = load(GOOD + "store_options:\ningest:\n  commit_every:\n  start:\n")
    assert config.ingest.commit_every.records == 100_000


def test_the_file_is_named_by_argument_then_environment_then_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = folder / "configs" / "good.yaml"
    named = good.rename(good.with_name("local.yaml"))
    monkeypatch.chdir(folder)
    assert load_config(environ={}).pipeline == "flights"
    named.rename(good)
    assert load_config(environ={"RAY_PIPELINE_CONFIG": str(good)}).pipeline == "flights"
    assert load_config(good, environ={"RAY_PIPELINE_CONFIG": "absent.yaml"}).pipeline == "flights"
    with pytest.raises(ConfigError, match="name one with --config FILE or RAY_PIPELINE_CONFIG"):
        load_config(environ={})


def test_the_environment_is_the_real_one_unless_a_test_gives_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_PIPELINE_CONFIG", str(folder / "configs" / "good.yaml"))
    assert load_config().pipeline == "flights"


def test_a_configuration_is_immutable_and_travels(load: Load) -> None:
    config = load()
    with pytest.raises(ValidationError):
        config.pipeline = "other"
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_notebook_may_build_one_by_hand_under_the_same_rules(folder: Path) -> None:
    contract = folder / "contracts" / "departures.yaml"
    parts = {"pipeline": "p", "store": str(folder), "datasets": {"departures": {"contract": contract}}}
    config = PipelineConfig.model_validate({**parts, "kafka": {"bootstrap.servers": "a:1"}})
    assert config.dataset("departures").contract == contract
    with pytest.raises(UsageError, match="did you mean departures"):
        config.dataset("departure")
    with pytest.raises(ValidationError, match=r"kafka\.sasl\.pasword: unknown option") as caught:
        PipelineConfig.model_validate({**parts, "kafka": {"bootstrap.servers": "a:1", "sasl.pasword": "canary"}})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["local.yaml", "kafka-s3.yaml"])
def test_what_is_commented_out_in_a_configuration_of_this_repository_is_sound(name: str, tmp_path: Path) -> None:
    text = (CONFIGS / name).read_text().replace("../", f"{CONFIGS.parent}/").replace("./flights", f"{CONFIGS}/flights")
    whole, times = re.subn(
        r"^( *)# ((?:catalog|features|serve|drift|retrain|lineage):|  \w[\w.]*: .*)$", r"\1\2", text, flags=re.MULTILINE
    )
    assert times >= 4
    (tmp_path / name).write_text(whole)
    config = load_config(tmp_path / name, environ=dict.fromkeys(SECRETS, "x"))
    assert config.catalog
    assert config.features
    assert config.serve.model == "late_arrival"
    assert config.retrain.spec
    assert config.lineage.transport != "none"


@pytest.mark.parametrize("name", ["local.yaml", "kafka-s3.yaml"])
def test_the_configurations_of_this_repository_load(name: str) -> None:
    model = name == "local.yaml"  # the other one leaves it to its reader
    datasets = ["departures", "arrivals", "weather", *(["predictions"] if model else [])]
    assert not [dataset for dataset in datasets if not _contract(dataset).is_file()]
    config = load_config(CONFIGS / name, environ=dict.fromkeys(SECRETS[:-1], "x"))
    assert list(config.datasets) == datasets
    assert config.pipeline == "flights"
    assert config.serve.model == ("late_arrival" if model else None)
    if name == "local.yaml":
        assert config.store == str(CONFIGS.parent / ".demo" / "lake")


def _contract(name: str) -> Path:
    return CONFIGS.parent / "contracts" / "flights" / f"{name}.odcs.yaml"
