"""The folder that a demo replaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.demo.run import renew
from ray_pipeline.errors import UsageError


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written .*--folder"):
        renew(tmp_path / "file" / "demo")


def test_only_a_folder_of_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    renew(tmp_path / "demo")
    (tmp_path / "demo" / "old").write_text("")
    renew(tmp_path / "demo")
    assert not (tmp_path / "demo" / "old").exists()
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="no demo wrote"):
        renew(tmp_path)
