"""Decoration is for a person who watches; a log file gets plain lines."""

from __future__ import annotations

import sys

import pytest

from ray_pipeline.cli import console


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "watched"), [({}, True), ({"CI": "true"}, False), ({"TERM": "dumb"}, False), ({"CI": ""}, True)]
)
def test_a_bar_is_for_a_terminal_outside_of_ci(
    variables: dict[str, str], watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert console.watched() is watched


def test_elsewhere_progress_is_a_line_every_tenth_and_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("publishing") as progress:
        for done in range(101):
            progress(done, 100, "events")
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 10
    assert said.err.splitlines()[-1] == "publishing: 100 of 100 events"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.out().print("[bold]text[/bold]", style="red")
    assert "\x1b[31m" not in capsys.readouterr().out


def test_markup_in_data_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console.out().print("[red]id[/red] :smile:")
    assert capsys.readouterr().out == "[red]id[/red] :smile:\n"
