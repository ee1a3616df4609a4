"""What people read of a version: its card, the list, and two of them side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from ray_pipeline.errors import ModelFileError, NoModelError, UsageError
from ray_pipeline.model.manifest import MODEL, PREDICTIONS
from ray_pipeline.runtime.jobs.training_manifest import training_parquet
from ray_pipeline.runtime.models.comparison import compare_versions
from ray_pipeline.runtime.models.listing import list_html, list_models, list_versions, model_lines, version_lines
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.models.text import model_card, split_which

from .tested_rows import BAD, GOOD, MOMENTS, ROWS, TRUE, files_saying, measured
from .versions import NAME, registry, version


def two_versions(second: dict[str, bytes] | None = None) -> ModelRegistry:
    found = registry()
    found.add(version("bad", metrics=measured(BAD)), files_saying(BAD))
    found.add(version("good", metrics=measured(GOOD), spec={"name": NAME, "seed": 7}), second or files_saying(GOOD))
    return found


def moved(found: ModelRegistry) -> ModelRegistry:
    for number, before in ((1, None), (2, 1)):
        found.move(NAME, "champion", number, expected=before, who="ann", reason="because", kind="promote")
    found.move(NAME, "challenger", 1, expected=None, who="job", reason="", kind="train")
    return found


def test_a_card_says_what_it_predicts_what_it_rests_on_and_who_is_champion() -> None:
    lines = list(model_card(moved(two_versions()), NAME).lines())
    text = "\n".join(lines)
    assert lines[0] == "model         late/2 (champion)"
    for part in (
        "the probability that arrived_late is true, which is looked up by flight_id; from feature service late_arrival",
        "2013-03-01T06:00:00.000000Z by ann",
        "HistGradientBoostingClassifier(learning_rate=0.06), seed 2013",
        "late_arrival/abc-1: 1,200 rows",
        "train: 1,000 rows, 24.0 % true, 2013-01-01 to 2013-02-01",
        "3 no outcome",
        "departures: snapshot 91, contract flights.departures 1.2.0",
        "weather: snapshot 77, definition d1",
        "2: 1 category, 1 number",
        "carrier, weather__gust",
        "test: 240 rows of 10 days, 33.3 % true",
        "AUC               1.000 [1.000, 1.000]",
        "sigmoid; on test it says 36.7 % and 33.3 % is true",
        "weather__gust  +0.0210  [+0.0100, +0.0300]",
        "champion 1 → 2  promote by ann: because",
        "challenger – → 1  train by job",
        "SHA-256 ",
        "scikit-learn 1.9.0",
        "`ray-pipeline predict late/2 KEY=VALUE …`",
        "POST /predict",
    ):
        assert part in text
    newest_first = [lines.index(line) for line in lines if " by ann: because" in line]
    assert "1 → 2" in lines[newest_first[0]]


def test_the_card_of_another_version_says_how_it_would_answer() -> None:
    card = model_card(moved(two_versions()), NAME, "challenger")
    assert card.holds == ("challenger",)
    assert "`ray-pipeline model promote late 1`" in "\n".join(card.lines())
    assert "late/1 (challenger)" in repr(card)


def test_without_a_champion_the_newest_is_shown() -> None:
    assert model_card(two_versions(), NAME).manifest.number == 2


def test_a_card_is_json_and_html() -> None:
    found = registry()
    added, _ = found.add(version(label_set="<b>"), {MODEL: b"m"})
    card = model_card(found, NAME)
    document = json.loads(json.dumps(card.to_json()))
    assert document["model"]["predictions_sha256"] == added.predictions_sha256
    assert list(document["uris"]) == [MODEL]
    page = card._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>late/1</b>" in page


def test_a_version_without_metrics_still_has_a_card() -> None:
    found = registry()
    found.add(version(importance=(), metrics={"test": {}}, training={}, parameters={}), {MODEL: b"m"})
    assert any("AUC               –" in line for line in model_card(found, NAME).lines())


@pytest.mark.parametrize("said", ["", "/3", "late/"])
def test_a_name_that_names_nothing_is_refused(said: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        split_which(said)


def test_the_list_names_versions_aliases_and_how_good_they_are() -> None:
    found = moved(two_versions())
    title, line = model_lines(list_models(found))
    assert title.split() == ["model", "versions", "champion", "challenger", "newest", "trained", "AUC"]
    assert line.split()[:5] == ["late", "2", "2", "1", "2"]
    assert "1.000 [1.000, 1.000]" in line
    _, newest, oldest = version_lines(list_versions(found, NAME))
    assert newest.split()[:2] == ["2", "champion"]
    assert oldest.split()[:2] == ["1", "challenger"]
    assert "late_arrival/abc-1" in newest
    assert list_models(found)[0].to_json()["newest"]["test"]["auc"]["value"] == 1.0
    assert list_versions(found, NAME)[0].to_json()["holds"] == ["champion"]
    assert "<td>late</td>" in list_html(list_models(found))
    assert found._repr_html_() == list_html(list_models(found))


def test_a_list_of_nothing_says_how_to_begin() -> None:
    assert "ray-pipeline train" in next(model_lines(list_models(registry())))
    with pytest.raises(NoModelError, match="no such model"):
        list_versions(registry(), NAME)


def test_two_versions_are_compared_on_the_rows_that_both_were_files_saying() -> None:
    found = compare_versions(two_versions(), NAME, 1, "latest")
    assert found.shared.same
    assert (found.shared.both, found.told) == (ROWS, {"spec.seed": (2013, 7)})
    assert found.shared.paired is not None
    assert found.shared.paired.log_loss.high is not None
    assert found.shared.paired.log_loss.high < 0
    text = "\n".join(found.lines())
    assert "late/2 minus late/1 on the same test rows, paired over 10 days" in text
    assert "the second one is better" in text
    assert "spec.seed: 2013 → 7" in text
    assert "the first one is better" in "\n".join(compare_versions(two_versions(), NAME, 2, 1).lines())
    assert json.loads(json.dumps(found.to_json()))["rows"]["same"] is True
    assert "late/2 minus late/1" in found._repr_html_()


def test_a_version_and_itself_say_the_same() -> None:
    assert "both say the same for every test row" in "\n".join(compare_versions(two_versions(), NAME, 1, 1).lines())


def test_other_rows_judge_nothing() -> None:
    later = [moment + timedelta(days=90) for moment in MOMENTS]
    found = compare_versions(two_versions(files_saying(GOOD, moments=later)), NAME, 1, 2)
    assert (found.shared.both, found.shared.paired) == (0, None)
    assert "judged on different rows" in "\n".join(found.lines())


def test_rows_whose_label_was_corrected_meanwhile_judge_nobody() -> None:
    found = compare_versions(two_versions(files_saying(GOOD[:200], true=[not TRUE[0], *TRUE[1:]])), NAME, 1, 2)
    assert (found.shared.second, found.shared.both, found.shared.relabelled) == (200, 200, 1)
    text = "\n".join(found.lines())
    assert "the 200 test rows that both have" in text
    assert "1 row left out" in text


def test_one_day_has_no_interval_and_says_so() -> None:
    found = registry()
    for name, said in (("bad", BAD), ("good", GOOD)):
        found.add(version(name, metrics=measured(said)), files_saying(said[:20]))
    assert "one day alone says nothing" in "\n".join(compare_versions(found, NAME, 1, 2).lines())


def test_a_damaged_file_of_predictions_is_named() -> None:
    found = registry()
    for number, data in enumerate((b"", b"PAR1", training_parquet(pa.table({"key": ["a"]})))):
        found.add(version(f"p{number}"), {PREDICTIONS: data})
        with pytest.raises(ModelFileError, match=r"predictions\.parquet of model late"):
            compare_versions(found, NAME, "latest", "latest")
    found.add(version("none"), {MODEL: b"m"})
    with pytest.raises(ModelFileError, match="it has none"):
        compare_versions(found, NAME, "latest", 1)


def test_the_key_column_may_be_called_key() -> None:
    found = registry()
    found.add(replace(version("bad", metrics=measured(BAD)), label_key="id"), files_saying(BAD, key="key"))
    assert compare_versions(found, NAME, 1, 1).shared.same
