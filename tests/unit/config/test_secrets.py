"""A secret is read, used, and never shown."""

from __future__ import annotations

import pickle
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_pipeline.config import Options
from ray_pipeline.config.librdkafka import SECRET_OPTIONS
from ray_pipeline.config.options import is_secret
from ray_pipeline.errors import ConfigError
from tests.unit.config.conftest import GOOD, Load

CANARY = "hunter2canary"
SECURE = GOOD.replace("store:", "  sasl.username: ann\n  sasl.password: ${PASSWORD}\nstore:").replace(
    "./lake", "s3://bucket"
)
OPTIONS = "store_options:\n  key: ${PASSWORD}\n  secret: ${PASSWORD}\n  token: ${PASSWORD}\n"


def test_the_library_gets_the_secret_and_nobody_else_sees_it(load: Load) -> None:
    config = load(SECURE + OPTIONS, PASSWORD=CANARY)
    assert config.kafka["sasl.password"] == CANARY
    assert dict(config.store_options)["secret"] == CANARY
    again = pickle.loads(pickle.dumps(config))
    for shown in (
        repr(config),
        str(config),
        repr(again),
        f"{again.kafka}",
        str(config.model_dump()),
        config.model_dump_json(),
    ):
        assert CANARY not in shown
        assert "ann" in shown or "flights" not in shown


def test_every_secret_option_of_librdkafka_is_masked() -> None:
    assert [name for name in SECRET_OPTIONS if not is_secret(name)] == []
    assert CANARY not in repr(Options(dict.fromkeys(SECRET_OPTIONS, CANARY)))
    assert not any(map(is_secret, ("bootstrap.servers", "sasl.username", "ssl.ca.location", "ssl.key.location")))


PLACES = [
    "pipeline",
    "kafka.bootstrap.servers",
    "kafka.sasl.password",
    "kafka.sasl.pasword",
    "kafka.security.protocol",
    "store_options.secret",
    "store_options.secrte",
    "store_options.anon",
    "datasets.departures.contract",
    "datasets.departures.topic",
    "datasets.departures.password",
    "ingest.actors",
    "ingest.start",
    "ingest.max_bad_share",
    "password",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(places=st.sets(st.sampled_from(PLACES), min_size=1), spoil=st.sampled_from(["", " ", "://", "\n", "{", "é"]))
def test_no_error_shows_what_a_variable_holds(load: Load, places: set[str], spoil: str) -> None:
    """Wherever a person puts a reference to a secret by mistake, the error names the key and the reference only."""
    tree: dict[str, object] = {}
    for place in places:
        section, _, rest = place.partition(".")
        if not rest:
            tree[section] = "${PASSWORD}"
        elif section == "datasets":
            tree.setdefault("datasets", {}).setdefault("departures", {})[rest.partition(".")[2]] = "${PASSWORD}"  # type: ignore[attr-defined]
        else:
            tree.setdefault(section, {})[rest] = "${PASSWORD}"  # type: ignore[index]
    import json

    try:
        config = load(json.dumps(tree), PASSWORD=CANARY + spoil)
    except ConfigError as error:
        text = "".join(traceback.format_exception(error)) + repr(error.args)
        assert CANARY not in text
    else:
        assert CANARY not in repr(config.kafka)


@pytest.mark.parametrize("key", ["sasl.password", "sasl.pasword", "sasl.oauthbearer.config", "debug"])
def test_no_error_shows_a_literal_value_of_an_option(load: Load, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD.replace("store:", f"  {key}: {CANARY}\nstore: gs://x #"))
    assert CANARY not in str(caught.value)
