"""What must be right before anything is started, and how one process finds another that serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.errors import ContractError, RayPipelineError, UsageError
from ray_pipeline.serve.client import NotServedError
from ray_pipeline.serve.listening import free_port
from ray_pipeline.serve.run_file import end_running, find_running, running
from ray_pipeline.serve.starting import check_serve
from ray_pipeline.serve.status import serve_down, serve_status

CONTRACTS = Path("contracts/flights").absolute()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that can be served; and a folder for run files that nobody else has."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(
        "pipeline: flights\nkafka: {bootstrap.servers: '127.0.0.1:1'}\nstore: ./lake\n"
        f"datasets:\n  predictions: {{contract: '{CONTRACTS / 'predictions.odcs.yaml'}'}}\n"
        f"features: {{repo: '{Path('configs/flights').absolute()}'}}\nserve: {{model: late_arrival, port: 0}}\n"
    )
    return file


def config(file: Path, *sets: str) -> PipelineConfig:
    return load_config(file, sets)


def test_what_is_missing_is_said_before_anything_starts(settings: Path) -> None:
    assert check_serve(config(settings)) == "late_arrival"
    wrong: dict[str, tuple[type[RayPipelineError], str]] = {
        "serve.model=": (UsageError, "serves no model"),
        "features.repo=": (UsageError, "answers from features"),
        "serve.predictions=answers": (UsageError, "answers"),
        "serve.host=0.0.0.0": (UsageError, "no serve.token is set"),
        "serve.token=''": (UsageError, "serve.token is empty"),
    }
    for said, (kind, sentence) in wrong.items():
        with pytest.raises(kind, match=sentence):
            check_serve(config(settings, said))
    assert check_serve(config(settings, "serve.host=0.0.0.0", "serve.token=x")) == "late_arrival"


def test_a_contract_of_predictions_that_is_broken_is_said(settings: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: DataContract\n")
    with pytest.raises(ContractError):
        check_serve(config(settings, f"datasets.predictions.contract={tmp_path / 'bad.yaml'}"))


def test_nobody_serves(settings: Path) -> None:
    found = serve_status(config(settings, f"serve.port={free_port('127.0.0.1', 0)}"))
    assert (found.up, found.ready, int(found.outcome), list(found.reasons)) == (False, False, 3, ["process"])
    assert serve_down(config(settings)) is False


def test_only_the_process_that_holds_the_file_is_found_and_it_holds_it_alone(settings: Path) -> None:
    mine = config(settings)
    assert find_running(mine) is None
    with running(mine) as note:
        note("http://127.0.0.1:7")
        found = find_running(mine)
        assert found is not None and (found.pid, found.url) == (os.getpid(), "http://127.0.0.1:7")
        with pytest.raises(UsageError, match=r"served on this machine already at http://127\.0\.0\.1:7"), running(mine):
            pass
        assert find_running(config(settings, "pipeline=other")) is None
    assert find_running(mine) is None


def test_a_process_is_asked_to_end_by_the_number_that_it_wrote_itself(settings: Path) -> None:
    mine = config(settings)
    code = (
        "import signal, sys, tempfile\n"
        "from ray_pipeline.config import load_config\n"
        "from ray_pipeline.serve.run_file import running\n"
        f"tempfile.tempdir = {str(settings.parent)!r}\n"
        f"with running(load_config({str(settings)!r})) as note:\n"
        "    print('up', flush=True)\n    signal.sigwait([signal.SIGTERM])\n"
    )
    code = code.replace("with running", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\nwith running")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        found = find_running(mine)
        assert found is not None and found.pid == process.pid
        assert end_running(mine)
        assert process.wait(10) == 0
    assert find_running(mine) is None


def test_a_killed_process_leaves_a_file_that_means_nothing(settings: Path) -> None:
    mine = config(settings)
    with running(mine):
        pass
    from ray_pipeline.serve.run_file import run_file

    run_file(mine).write_text('{"pid": 1, "url": "http://127.0.0.1:7"}')
    assert find_running(mine) is None
    assert end_running(mine)


def test_a_port_that_is_taken_is_said() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            free_port("127.0.0.1", taken.getsockname()[1])
    assert issubclass(NotServedError, RayPipelineError)
