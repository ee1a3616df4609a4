"""A wrong configuration: every problem at once, each with file, line and key, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.config import load_config
from ray_pipeline.errors import ConfigError
from tests.unit.config.conftest import GOOD, Load


def problems(load: Load, text: str, *overrides: str, **environ: str) -> list[str]:
    """Each problem without the folder's name: ``line: key: message``."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, **environ)
    return [str(problem).rpartition("test.yaml:")[2] for problem in caught.value.problems]


CASES = {
    "unknown key at the top": (GOOD + "piepline: x\n", "10: piepline: unknown key; did you mean pipeline?"),
    "key of another section": (
        GOOD + "max_bad_share: 0.1\n",
        "10: max_bad_share: unknown key here; it belongs below ingest",
    ),
    "key of a dataset": (
        GOOD.replace("    contract: ../contracts/arr", "    topics: x\n    contract: ../contracts/arr"),
        "9: datasets.arrivals.topics: unknown key; did you mean topic?",
    ),
    "not implemented": (
        GOOD + "    validated_topic: x\n",
        "10: datasets.arrivals.validated_topic: unknown key; did you mean dead_letter_topic?",
    ),
    "unknown librdkafka option": (
        GOOD.replace("store:", "  sasl.user: x\nstore:"),
        "4: kafka.sasl.user: unknown option; did you mean sasl.username?",
    ),
    "no brokers": (
        GOOD.replace("  bootstrap.servers: 127.0.0.1:9092\n", "  client.id: x\n"),
        "2: kafka.bootstrap.servers: is missing: host:port of one or more brokers",
    ),
    "unknown fsspec option": (
        GOOD.replace("./lake", "s3://bucket") + "store_options:\n  endpoint: x\n",
        "11: store_options.endpoint: unknown option; did you mean endpoint_url?",
    ),
    "options of a folder": (GOOD + "store_options: {key: x}\n", "10: store_options.key: a folder takes no options"),
    "another store": (
        GOOD.replace("./lake", "gs://x/y"),
        "4: store: gs:// is not a store that is known here: use a folder or s3://bucket/prefix",
    ),
    "credential in the store": (
        GOOD.replace("./lake", "s3://a:b@bucket"),
        "4: store: must not hold a credential: use store_options.key and store_options.secret",
    ),
    "an alarm that can never be": (
        GOOD + "drift: {windows: [3, 2]}\n",
        "10: drift.windows: an alarm needs k of the last n windows, 1 <= k <= n: [3, 2] can never be",
    ),
    "armed and disarmed at once": (
        GOOD + "retrain: {arm_loss: 0.02, disarm_loss: 0.05}\n",
        "10: retrain: disarm_loss (0.05) is above arm_loss (0.02): what armed would be disarmed at once",
    ),
    "a promotion that is watched for ever": (
        GOOD + "retrain: {watch_days: 1e7}\n",
        "10: retrain.watch_days: must be at most 36500, got 10000000.0",
    ),
    "no contract file": (
        GOOD.replace("contracts/arrivals", "contracts/arrival"),
        "9: datasets.arrivals.contract: there is no such file; a relative path counts from the configuration file, "
        "got ../contracts/arrival.yaml",
    ),
    "no contract": (
        GOOD.replace("    contract: ../contracts/arrivals.yaml\n", "    topic: x\n"),
        "8: datasets.arrivals.contract: is required: a file with the data contract",
    ),
    "an empty dataset": (
        GOOD.replace("    contract: ../contracts/arrivals.yaml\n", ""),
        "8: datasets.arrivals.contract: is required: a file with the data contract",
    ),
    "one topic twice": (
        GOOD + "    topic: departures\n",
        "10: datasets.arrivals.topic: departures is the topic of departures already; one topic, one dataset",
    ),
    "dead letters into a source": (
        GOOD + "    dead_letter_topic: departures\n",
        "10: datasets.arrivals.dead_letter_topic: departures is the source topic of departures; dead letters need "
        "their own topic",
    ),
    "illegal topic": (
        GOOD + "    topic: a b\n",
        "10: datasets.arrivals.topic: is no topic that Kafka allows: 1 to 249 letters, digits, '.', '_' and '-', "
        "got a b",
    ),
    "illegal pipeline": (
        GOOD.replace("flights", "my.flights"),
        "1: pipeline: must be 1 to 64 letters, digits, '_' and '-', beginning with a letter or digit, got my.flights",
    ),
    "illegal dataset": (
        GOOD.replace("  arrivals:", "  arr.ivals:"),
        "8: datasets.arr.ivals: must be 1 to 64 letters, digits, '_' and '-', beginning with a letter or digit",
    ),
    "number for text": (GOOD.replace("flights", "12"), "1: pipeline: must be text, got 12"),
    "text for a number": (
        GOOD + "ingest:\n  max_bad_share: much\n",
        "11: ingest.max_bad_share: must be a number, got much",
    ),
    "share above one": (
        GOOD + "ingest:\n  max_bad_share: 1.5\n",
        "11: ingest.max_bad_share: must be at most 1, got 1.5",
    ),
    "share of zero": (GOOD + "ingest: {max_bad_share: 0}\n", "10: ingest.max_bad_share: must be above 0, got 0"),
    "no number at all": (
        GOOD + "ingest: {max_bad_share: .nan}\n",
        "10: ingest.max_bad_share: must be a number, got .nan",
    ),
    "actors": (
        GOOD + "ingest: {actors: many}\n",
        "10: ingest.actors: must be auto, or a whole number of at least 1, got many",
    ),
    "no actors": (
        GOOD + "ingest: {actors: 0}\n",
        "10: ingest.actors: must be auto, or a whole number of at least 1, got 0",
    ),
    "half a record": (
        GOOD + "ingest:\n  commit_every: {records: 0.5}\n",
        "11: ingest.commit_every.records: must be a whole number, got 0.5",
    ),
    "no time between commits": (
        GOOD + "ingest:\n  commit_every:\n    seconds: 0\n",
        "12: ingest.commit_every.seconds: must be above 0, got 0",
    ),
    "key of the section above": (
        GOOD + "ingest:\n  seconds: 3\n",
        "11: ingest.seconds: unknown key here; it belongs below ingest.commit_every",
    ),
    "start without a zone": (
        GOOD + "ingest: {start: 2013-01-01}\n",
        "10: ingest.start: needs its offset from UTC: 2013-01-01T00:00:00Z, got 2013-01-01",
    ),
    "start": (
        GOOD + "ingest: {start: erliest}\n",
        "10: ingest.start: must be earliest, latest, or an ISO time such as 2013-01-01T00:00:00Z, got erliest",
    ),
    "a list for a mapping": (
        GOOD[: GOOD.index("datasets:")] + "datasets: [departures]\n",
        "5: datasets: must be a mapping of keys to values",
    ),
    "no datasets": (GOOD[: GOOD.index("datasets:")] + "datasets: {}\n", "5: datasets: must name at least one dataset"),
    "text for a section": (GOOD + "ingest: fast\n", "10: ingest: must be a mapping of keys to values, got fast"),
    "unset variable": (
        GOOD.replace("flights", "${NAME}"),
        "1: pipeline: environment variable NAME is not set, and there is no default: ${NAME:-default}",
    ),
    "unfinished variable": (
        GOOD.replace("flights", "${NAME"),
        "1: pipeline: a reference is written ${VAR} or ${VAR:-default}; $${ stands for ${ itself",
    ),
    "a key twice": (GOOD + "pipeline: y\n", "10: pipeline: the key stands twice (first on line 1)"),
    "an anchor": (
        GOOD.replace("flights", "&a flights"),
        "1: anchors and aliases are not read here: write the value out",
    ),
    "a tag": (
        GOOD.replace("flights", "!!python/name:os.system x"),
        "1: tags (!…) are not read here: write a plain value",
    ),
    "two documents": (GOOD + "---\na: 1\n", "10: a second document: one file holds one"),
    "no YAML": ("pipeline: [\n", "2: no YAML: expected the node content, but found '<stream end>'"),
    "a variable in braces": (
        GOOD + "ingest: {max_bad_share: ${SHARE:-1}}\n",
        "10: no YAML: expected ',' or '}', but got '{'; inside { } or [ ] a value with ${…} must be quoted",
    ),
    "half a character": (
        GOOD.replace("store:", '  client.id: "\\ud800"\nstore:'),
        "4: kafka.client.id: half a character (a lone surrogate)",
    ),
    "a list": ("- 1\n", "1: must hold keys and values: pipeline, kafka, …"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_problem_is_said_with_line_and_key(load: Load, case: str) -> None:
    text, expected = CASES[case]
    assert problems(load, text) == [expected]


def test_all_problems_come_at_once_in_the_order_of_the_file(load: Load) -> None:
    text = """\
pipeline: ${PIPELINE}
kafka:
  bootstrap.server: a:1
store: gs://x
datasets:
  departures:
    contract: nowhere.yaml
  arrivals:
    contract: ../contracts/arrivals.yaml
    topic: departures
ingest:
  actors: 0
"""
    found = problems(load, text, "ingest.max_bad_share=7", "nonsense")
    assert [line.partition(": ")[0] for line in found] == ["1", "2", "3", "4", "7", "10", "12", "--set", "--set"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "ingest.actors=none at all",
            "--set: ingest.actors: must be auto, or a whole number of at least 1, got none at all",
        ),
        ("ingest.actor=1", "--set: ingest.actor: unknown key; did you mean actors?"),
        ("pipeline.name=x", "--set: pipeline.name: pipeline is one value, nothing can be set below it"),
        ("kafka.sasl.pasword=canary", "--set: kafka.sasl.pasword: unknown option; did you mean sasl.password?"),
        (
            "kafka.bootstrap.servers=pat:canary@h:9092",
            "--set: kafka.bootstrap.servers: must not hold a credential: use sasl.username and sasl.password",
        ),
        (
            "kafka.bootstrap.servers=h:9092,h:99999",
            "--set: kafka.bootstrap.servers: 99999 is no port: host:port of one or more brokers, with commas between "
            "them",
        ),
        ("justtext", "--set: must be written KEY.KEY=VALUE"),
        ("=1", "--set: must be written KEY.KEY=VALUE"),
        ("a..b=1", "--set: a..b: must be written KEY.KEY=VALUE"),
        ("store=gs://x", "--set: store: gs:// is not a store that is known here: use a folder or s3://bucket/prefix"),
        ("pipeline=[", "--set: pipeline: no YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_wrong_override_is_said_as_one(load: Load, override: str, expected: str) -> None:
    assert problems(load, GOOD, override) == [expected]


def test_a_file_that_cannot_be_read_is_one_problem(folder: Path) -> None:
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "large.yaml").write_bytes(b"#" * 1_000_001)
    for name, says in (
        ("absent.yaml", "no such file"),
        ("bytes.yaml", "UTF-8"),
        ("large.yaml", "larger"),
        ("", "cannot"),
    ):
        with pytest.raises(ConfigError, match=says):
            load_config(folder / name, environ={})
