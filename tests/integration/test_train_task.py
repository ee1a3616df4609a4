"""What becomes of a training whose process dies, hangs or raises, in real processes of Ray."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.errors import TrainingError, UsageError
from ray_pipeline.runtime.jobs.train_task import TrainingLostError, run_task

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


@pytest.fixture(scope="module", autouse=True)
def _shipped(local_ray: None) -> Any:
    """The workers cannot import this file: its functions travel by value."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def run(job: Any, told: Any = None, timeout: float = 60.0) -> Any:
    return run_task(job, told, model="late", address=None, timeout=timeout)


def double(number: int) -> int:
    return 2 * number


def die(_told: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def quote_a_value(_told: object) -> None:
    raise ValueError("could not convert 'secret-passenger' to float")


def starve(_told: object) -> None:
    raise MemoryError


def ask_wrongly(_told: object) -> None:
    raise UsageError("there is no such split")


def refuse(_told: object) -> None:
    raise TrainingError("late", "all rows are of one class")


def unpicklable(_told: object) -> None:
    error = RuntimeError("x")
    error.lock = __import__("threading").Lock()  # type: ignore[attr-defined]
    raise error


def test_what_the_task_returns_comes_back() -> None:
    found, seconds = run(double, 21)
    assert found == 42
    assert 0 <= seconds < 60


def test_a_killed_process_is_told() -> None:
    with pytest.raises(TrainingLostError, match=r"model late was not trained: the process of the fit died"):
        run(die)


def test_one_that_hangs_is_stopped_and_gone(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(TrainingLostError, match="within 3 s") as raised:
        run(hang, str(file), timeout=3)
    if file.exists():  # else a busy machine had not begun by then
        assert "did not end within 3 s and was stopped" in str(raised.value)
        deadline = time.monotonic() + 10
        while is_alive(int(file.read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_one_that_gets_no_cpu_says_so() -> None:
    import ray

    @ray.remote(num_cpus=0.5)
    class Taking:
        def there(self) -> None:
            """Answer once the CPUs are taken."""

    cpus = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    taking = Taking.options(num_cpus=cpus).remote()
    try:
        ray.get(taking.there.remote())
        with pytest.raises(TrainingLostError, match=r"could not begin within 1 s; look at what takes the CPUs"):
            run(double, 21, timeout=1)
    finally:
        ray.kill(taking)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (quote_a_value, r"the fit raised ValueError \(in quote_a_value, integration/test_train_task.py:\d+\)"),
        (starve, "ran out of memory"),
        (unpicklable, "the fit raised RuntimeError"),
    ],
)
def test_an_unexpected_error_is_named_by_its_kind_and_quotes_nothing(job: Any, message: str) -> None:
    with pytest.raises(TrainingLostError, match=message) as raised:
        run(job)
    assert "secret-passenger" not in str(raised.value)


@pytest.mark.parametrize(("job", "kind"), [(ask_wrongly, UsageError), (refuse, TrainingError)])
def test_our_own_errors_come_as_they_are(job: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        run(job)
    assert type(raised.value) is kind
