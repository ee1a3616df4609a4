"""A feature repository as Feast's users know it: by its Python API, by its command line, and without this package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from ray_pipeline.cli import features_lint
from ray_pipeline.cli.errors import exit_code
from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.feast import apply_repo, feature_store, load_repo
from ray_pipeline.connectors.feast.registry import RegistryChangedError, RegistryVersions, registry_key
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import ConfigError, FeatureDefinitionError, UsageError
from ray_pipeline.features.shape import DEFINITION_TAG, SHAPE_TAG, ViewShape
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Outcome

ROOT = Path(__file__).parents[2]
VIEWS = [
    "weather_at_origin",
    "origin_last_2h",
    "carrier_last_24h",
    "route_last_24h",
    "aircraft_last_arrival",
    "destination_last_7d",
]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::UserWarning:feast"),
]


class Flights:
    """A copy of the example: its configuration, its contracts, its repository, and a lake of its own."""

    def __init__(self, folder: Path) -> None:
        for name in ("configs", "contracts"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.file = folder / "configs/local.yaml"
        self.repo = folder / "configs/flights"
        self.lake = folder / "lake"
        self.lake.mkdir()

    @property
    def config(self) -> PipelineConfig:
        return load_config(self.file, [f"store={self.lake}"])

    def edit(self, old: str, new: str, name: str = "features.py") -> None:
        file = self.repo / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def line(self, words: str, name: str = "features.py") -> int:
        lines = (self.repo / name).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if words in line)

    def problems(self) -> list[tuple[int | None, str, str]]:
        found = load_repo(self.config, check=False).problems
        assert {Path(one.file).parent for one in found} <= {self.repo}
        return [(one.line, one.key, one.message) for one in found]

    def feast(self, *commands: list[str]) -> str:
        """Run some of Feast's commands in the repository's folder, one after another in one process."""
        program = f"from feast.cli.cli import cli\nfor one in {commands!r}: cli.main(list(one), standalone_mode=False)"
        environment = {**os.environ, "LAKE": str(self.lake), "PYTHONWARNINGS": "ignore", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=self.repo, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    return Flights(tmp_path)


def test_the_example_is_sound_and_all_of_it_is_there(flights: Flights) -> None:
    repo = load_repo(flights.config)
    assert [view.name for view in repo.views] == VIEWS
    assert repo.view("aircraft_last_arrival").shape.ttl == timedelta(days=7) // timedelta(microseconds=1)
    service = repo.service("flight_delay")
    assert [one.view for one in service.views] == VIEWS
    assert service.request is repo.request_features("calendar")
    assert repo.label_set("late_arrival").on == "flight_id"
    assert repo.project == "flights"
    with pytest.raises(UsageError, match="did you mean origin_last_2h"):
        repo.view("origin_last_3h")


def test_reading_a_repository_leaves_no_trace_and_reads_anew(flights: Flights) -> None:
    modules, path = set(sys.modules), list(sys.path)
    before = load_repo(flights.config).view("origin_last_2h").shape.definition
    flights.edit("timedelta(hours=2)", "timedelta(hours=3)")
    after = load_repo(flights.config).view("origin_last_2h").shape.definition
    assert before != after
    assert "features" not in set(sys.modules) - modules
    assert sys.path == path
    assert not list(flights.repo.rglob("__pycache__"))


def test_a_file_may_import_its_neighbour(flights: Flights) -> None:
    (flights.repo / "entities.py").write_text(
        'from feast import Entity, ValueType\norigin = Entity(name="origin", value_type=ValueType.STRING)\n'
    )
    own = 'origin = Entity(name="origin", value_type=ValueType.STRING, description="Airport that a flight leaves")'
    flights.edit(own, "from entities import origin")
    assert flights.problems() == []


def test_a_pipeline_without_features_says_what_to_write(flights: Flights) -> None:
    config = flights.config.model_copy(update={"features": flights.config.features.model_copy(update={"repo": None})})
    with pytest.raises(UsageError, match="this pipeline has no features"):
        load_repo(config)


@pytest.mark.parametrize(
    ("old", "new", "at", "key", "words"),
    [
        ('"wind.speed_mph"', '"wind.speed"', '"wind.speed"', "features.wind_speed_mph", "did you mean wind.speed_mph?"),
        ('dataset="weather"', 'dataset="whether"', 'dataset="whether"', "dataset", "did you mean weather?"),
        ("ttl=timedelta(hours=6)", "ttl=None", "ttl=None", "ttl", "must be bounded"),
        ('"carrier.code"},  #', '"carrier"},  #', '"carrier"},  #', "keys.carrier", "this is a record"),
        ("entity=carrier,", "entity=origin,", '"carrier.code"},  #', "keys", "join keys are origin"),
    ],
)
def test_a_problem_of_a_view_is_shown_at_its_line(
    flights: Flights, old: str, new: str, at: str, key: str, words: str
) -> None:
    flights.edit(old, new)
    (problem,) = flights.problems()
    assert problem[0] == flights.line(at)
    assert problem[1].endswith(f".{key}")
    assert words in problem[2]
    with pytest.raises(FeatureDefinitionError):
        apply_repo(flights.config)
    assert not (flights.lake / "flights").exists()


def test_problems_of_several_parts_are_shown_at_once(flights: Flights) -> None:
    flights.edit('"temperature_f": "temperature_f"', '"temperature_f": "temperature_c"')
    flights.edit('inputs={"scheduled_departure_at": "timestamp"}', 'inputs={"scheduled_departure_at": "moment"}')
    flights.edit('on="flight_id"', 'on="flight"')
    flights.edit('    "carrier_last_24h",', '    "origin_last_2h",')
    found = flights.problems()
    assert [(line, key) for line, key, _ in found] == [
        (flights.line('"temperature_c"'), "weather_at_origin.features.temperature_f"),
        (flights.line("carrier_last_24h = "), "origin_last_2h"),
        (flights.line('"moment"'), "calendar.inputs.scheduled_departure_at"),
        (flights.line('on="flight"'), "late_arrival.on"),
    ]
    assert "another view is called origin_last_2h already" in found[1][2]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def (:\n", "is not Python"),
        ("x = 1\nraise KeyError('secret')\n", "KeyError: 'secret'"),
        ("import no_such_module_of_anybody\n", "ModuleNotFoundError"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_file_that_python_refuses_is_shown_at_its_line_beside_the_sound_ones(
    flights: Flights, code: str, words: str
) -> None:
    (flights.repo / "more.py").write_text(code)
    repo = load_repo(flights.config, check=False)
    (problem,) = repo.problems
    assert problem.file == str(flights.repo / "more.py")
    assert problem.line == len(code.splitlines())
    assert words in problem.message
    assert [view.name for view in repo.views] == VIEWS


def test_a_service_over_a_view_that_no_file_names_is_refused(flights: Flights) -> None:
    flights.edit("origin_last_2h = feature_view(", "_views = [None]\n_views[0] = feature_view(")
    flights.edit("[weather_at_origin, origin_last_2h,", "[weather_at_origin, _views[0],")
    (problem,) = flights.problems()
    assert problem[:2] == (flights.line("flight_delay = "), "flight_delay")
    assert "origin_last_2h: unknown view" in problem[2]


def test_entities_and_services_have_names_of_their_own(flights: Flights) -> None:
    (flights.repo / "more.py").write_text(
        "from feast import Entity, FeatureService, ValueType\n"
        'again = Entity(name="origin", value_type=ValueType.STRING)\n'
        'service = FeatureService(name="flight_delay", features=["origin_last_2h:mean_delay"])\n'
    )
    found = flights.problems()
    assert [(line, key) for line, key, _ in found] == [(2, "origin"), (3, "flight_delay")]


def test_a_service_of_feasts_own_is_a_service(flights: Flights) -> None:
    (flights.repo / "more.py").write_text(
        "from feast import FeatureService\nfrom features import carrier_last_24h, origin_last_2h\n"
        'one = FeatureService(name="one", features=[origin_last_2h[["mean_delay"]], carrier_last_24h.with_name("c")])\n'
        'two = FeatureService(name="two", features=["origin_last_2h", "route_last_24h:departures"])\n'
    )
    repo = load_repo(flights.config)
    one, two = repo.service("one"), repo.service("two")
    assert [(view.view, view.shown, view.features) for view in one.views] == [
        ("origin_last_2h", "origin_last_2h", ("mean_delay",)),
        ("carrier_last_24h", "c", ("departures", "mean_delay", "share_late")),
    ]
    assert [(view.view, view.features) for view in two.views] == [
        ("origin_last_2h", ("departures", "mean_delay", "share_late")),
        ("route_last_24h", ("departures",)),
    ]
    assert one.line == 3


@pytest.mark.parametrize("how", ["batch source", "stream source"])
def test_a_view_is_fed_by_the_stream_or_by_pushes_never_by_both(flights: Flights, how: str) -> None:
    code = 'from feast import PushSource\nfrom features import origin_last_2h as view\npush = PushSource(name="p", '
    code += "batch_source=view.batch_source)\n" + ("view.stream_source = push\n" if how == "stream source" else "")
    (flights.repo / "more.py").write_text(code)
    (problem,) = flights.problems()
    assert problem[1] == "origin_last_2h.feed"
    assert "p pushes to it" in problem[2]


def test_a_repository_whose_file_names_no_pipeline_says_what_to_write(flights: Flights) -> None:
    flights.edit("  pipeline: ../local.yaml\n", "", "feature_store.yaml")
    from ray_pipeline.connectors.feast.pipeline import pipeline_at

    with pytest.raises(ConfigError, match=r"offline_store.pipeline: must name the pipeline's configuration"):
        pipeline_at(flights.repo)
    assert flights.problems() == []  # with a configuration in hand nothing is missing


def test_feast_knows_what_was_applied_and_each_view_carries_its_definition(flights: Flights) -> None:
    applied = apply_repo(flights.config)
    assert "feature view origin_last_2h" in applied.created
    store = feature_store(flights.config)
    views = {view.name: view for view in store.list_feature_views()}
    assert sorted(views) == sorted(VIEWS)
    repo = load_repo(flights.config)
    for one in repo.views:
        view = views[one.name]
        assert view.tags[DEFINITION_TAG] == one.shape.definition
        assert ViewShape.from_json(view.tags[SHAPE_TAG]) == one.shape
        assert [feature.name for feature in view.features] == [feature.name for feature in one.shape.features]
        assert view.batch_source.created_timestamp_column == "created_timestamp"
    assert views["destination_last_7d"].stream_source.name == "destination_last_7d_push"
    assert apply_repo(flights.config).created == apply_repo(flights.config).updated == ()


def test_a_view_that_is_renamed_or_changed_is_so_in_feast(flights: Flights) -> None:
    apply_repo(flights.config)
    flights.edit('    "carrier_last_24h",', '    "carrier_day",')
    flights.edit("timedelta(hours=2)", "timedelta(hours=3)")
    applied = apply_repo(flights.config)
    assert "feature view carrier_day" in applied.created
    assert "feature view carrier_last_24h" in applied.deleted
    assert "feature view origin_last_2h" in applied.updated
    names = [view.name for view in feature_store(flights.config).list_feature_views()]
    assert "carrier_day" in names
    assert "carrier_last_24h" not in names


def test_two_that_write_at_once_lose_nothing(flights: Flights) -> None:
    from feast import Entity, ValueType

    apply_repo(flights.config)
    mine, theirs = feature_store(flights.config), feature_store(flights.config)
    assert mine.list_entities() == theirs.list_entities()  # both have read it
    theirs.registry.apply_entity(Entity(name="theirs", value_type=ValueType.STRING), "flights")
    with pytest.raises(RegistryChangedError, match="somebody else changed it in the meantime"):
        mine.registry.apply_entity(Entity(name="mine", value_type=ValueType.STRING), "flights")
    mine.refresh_registry()
    mine.registry.apply_entity(Entity(name="mine", value_type=ValueType.STRING), "flights")
    names = {entity.name for entity in feature_store(flights.config).list_entities()}
    assert {"mine", "theirs", "origin"} <= names


def test_writers_that_race_each_write_a_version_of_their_own() -> None:
    store = MemoryStore()
    won: list[int] = []

    def race(writer: int) -> None:
        versions = RegistryVersions(store, "p")
        for _ in range(20):
            number, data = versions.newest()
            try:
                versions.create(number + 1, (data or b"") + bytes([writer]))
            except RegistryChangedError:
                continue
            won.append(writer)

    threads = [threading.Thread(target=race, args=(writer,)) for writer in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, data = RegistryVersions(store, "p").newest()
    assert sorted(data or b"") == sorted(won)
    assert store.get(registry_key("p")) == data


def test_the_file_that_every_feast_reads_follows_after_a_writer_was_killed(flights: Flights) -> None:
    apply_repo(flights.config)
    store = open_store(flights.config.store)
    key = registry_key("flights")
    newest = store.get(key)
    store.put(key, store.get("flights/_features/registry/00000000000000000001.db") or b"")
    feature_store(flights.config).list_entities()
    assert store.get(key) == newest


def test_the_command_line_lints_and_applies(flights: Flights) -> None:
    app = typer.Typer()
    app.command()(features_lint.lint)
    app.command()(features_lint.apply)

    def run(verb: str, *options: str) -> Result:
        place = ["--config", str(flights.file), "--set", f"store={flights.lake}"]
        return CliRunner().invoke(app, [verb, *place, *options])

    linted = run("lint", "--output", "json")
    assert linted.exit_code == Outcome.HELD
    assert json.loads(linted.stdout)["problems"] == []
    assert json.loads(linted.stdout)["views"][0]["features"]["temperature_f"] == "float64"
    assert run("lint").stdout == "6 views, 1 feature service, 1 label set: no problem\n"
    assert "feature service flight_delay" in json.loads(run("apply", "--output", "json").stdout)["created"]
    assert run("apply").stdout == "nothing to change\n"
    flights.edit('on="flight_id"', 'on="flight"')
    broken = run("lint")
    assert broken.exit_code == Outcome.BROKEN
    line = flights.line('on="flight"')
    assert broken.stdout.startswith(f"{flights.repo}/features.py:{line}: late_arrival.on: the contract has no column")
    refused = run("apply")
    assert refused.exception is not None
    assert exit_code(refused.exception) == Outcome.MISUSED


def test_feasts_own_command_line_works_in_the_folder(flights: Flights) -> None:
    said = flights.feast(["apply"], ["feature-views", "list"], ["plan"])
    assert "Deploying infrastructure for origin_last_2h" in said
    assert all(f"\n{view} " in said for view in VIEWS)
    assert "No changes to registry" in said
    assert apply_repo(flights.config).created == ()  # the same registry, the same lake


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("ray_pipeline.connectors.feast", ("feast", "ray", "polars", "pyarrow", "pyiceberg")),
        ("ray_pipeline.connectors.feast.registry", ("ray", "polars", "pyiceberg")),
    ],
)
def test_opening_a_store_of_ours_loads_nothing_else(module: str, strangers: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print([name for name in {strangers!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_settings_that_are_refused_are_shown_without_what_is_written(flights: Flights) -> None:
    flights.edit(
        "type: ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore\n  clock: replay",
        "type: ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore\n"
        "  conection_string: h:1,password=SECRET\n  timeout_seconds: [SECRET]\n  clock: replay",
        "feature_store.yaml",
    )
    with pytest.raises(ConfigError) as caught:
        feature_store(flights.config)
    assert {one.key for one in caught.value.problems} == {"conection_string", "timeout_seconds"}
    assert "SECRET" not in str(caught.value)


def test_lint_looks_at_the_online_store_and_prints_its_answer_alone(flights: Flights) -> None:
    flights.edit("clock: replay", "clock: sundial", "feature_store.yaml")
    flights.edit("origin = Entity(", "print('hello')\norigin = Entity(")
    app = typer.Typer()
    app.command()(features_lint.lint)
    done = CliRunner().invoke(
        app, ["--config", str(flights.file), "--set", f"store={flights.lake}", "--output", "json"]
    )
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["key"], problem["line"]) == ("online_store.clock", flights.line("sundial", "feature_store.yaml"))
    assert done.exit_code == Outcome.BROKEN
