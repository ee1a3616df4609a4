from __future__ import annotations

import doctest

from ray_pipeline.gate import keys, values


def test_what_the_docstrings_show_is_so() -> None:
    for module in (keys, values):
        assert doctest.testmod(module).failed == 0


def test_every_name_of_a_gate_stays_below_the_gate() -> None:
    made = [
        keys.entry_key("p", "..", 1),
        keys.lease_key("p", "a/b", 1, 2),
        keys.run_key("p", "d", "../../x"),
        keys.manifest_key("p", "d", "../2013", 1, "n"),
        keys.kept_key("p", "d", "2013-01-01", 1, "n", 0),
        keys.quarantine_key("p", "d", "+10000-01-01", 1, "n", 0),
        keys.state_key("p", "d", "ab" * 32, "../v-1"),
        keys.result_key("p", "a/b", 1, "n"),
        keys.report_key("p", "a/b", "report.html"),
        keys.index_key("p"),
    ]
    for key in made:
        assert key.startswith("p/_gate/")
        assert not {"", ".", ".."} & set(key.split("/"))
        assert max(map(len, key.split("/"))) <= 255
    assert len(set(made)) == len(made)


def test_a_state_is_another_one_for_other_measures_and_for_another_file() -> None:
    of = keys.state_key
    assert (
        len({of("p", "d", "aa", "m"), of("p", "d", "ab", "m"), of("p", "d", "aa", "n"), of("p", "e", "aa", "m")}) == 4
    )


def test_a_dataset_that_is_called_like_the_folder_of_reports_has_its_own() -> None:
    folder = keys.gate_prefix("p", "_runs").split("/")[-1]
    assert folder != "_runs"


def test_only_entries_have_a_number() -> None:
    assert keys.entry_number(keys.entry_key("p", "d", 12)) == 12
    assert keys.entry_number(keys.lease_key("p", "d", 12, 0)) is None
