"""One piece of work in a process of Ray that may die, hang or run out of memory: whoever waits is told which."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from ray_pipeline.errors import RayPipelineError, TrainingError
from ray_pipeline.runtime.ray_session import ray_session

Told = TypeVar("Told")
Found = TypeVar("Found")

NO_MEMORY = "the fit ran out of memory; give it a machine with more of it"
DIED = "the process of the fit died before it was done (killed from outside, out of memory, or crashed in native code)"


class TrainingLostError(TrainingError):
    """The fit did not come to an end: whether there is something to learn cannot be told."""


def run_task(
    job: Callable[[Told], Found], told: Told, *, model: str, address: str | None, timeout: float
) -> tuple[Found, float]:
    """Return what ``job(told)`` returns in a process of Ray that has one CPU, and the seconds that it took.

    It is tried once. A process that dies, an unexpected error and more than ``timeout`` seconds (waiting for a CPU
    counts) are ``TrainingLostError``; our own errors come as they are. Nothing of it runs on after this returned.
    """
    with ray_session(address):
        # An actor and no task: a task that hangs is ended by `ray.cancel`, which aborts this very process where the
        # task ends at the same moment ("Tried to complete task that was not pending").
        worker: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker).remote()
        try:
            # By reference: it lies in the object store's memory only, and Ray keeps no copy in its control store.
            began = worker.began.remote()
            found = _waited(worker.run.remote(ray.put((job, told))), began, model, timeout)
        finally:
            ray.kill(worker)  # also where somebody pressed Ctrl-C
    if isinstance(found, RayPipelineError):
        raise found
    if isinstance(found, _Unexpected):
        raise TrainingLostError(model, found.sentence)
    value, seconds = found
    return value, seconds


def _waited(result: Any, began: Any, model: str, timeout: float) -> Any:
    try:
        if ray.wait([result], timeout=timeout)[0]:
            return ray.get(result)
        raise TrainingLostError(model, _too_long(timeout, running=bool(ray.wait([began], timeout=0)[0])))
    except OutOfMemoryError:
        raise TrainingLostError(model, NO_MEMORY) from None
    except (RayActorError, WorkerCrashedError):
        raise TrainingLostError(model, DIED) from None
    except RayError as error:
        raise TrainingLostError(model, f"Ray lost the fit ({type(error).__name__})") from None


def _too_long(timeout: float, *, running: bool) -> str:
    if running:
        return f"the fit did not end within {timeout:g} s and was stopped; allow more with --timeout, or give it less"
    return f"the fit could not begin within {timeout:g} s; look at what takes the CPUs of this Ray, or wait longer"


@dataclass(frozen=True, slots=True)
class _Unexpected:
    """An error that nobody foresaw. What it says may quote a value of the data, so only its kind travels."""

    sentence: str


class _Worker:
    """The process."""

    def began(self) -> None:
        """Answer: the process is there."""

    def run(self, given: tuple[Callable[[Any], Any], Any]) -> Any:
        """Do the work. Errors are returned: not every one survives the way back, and Ray would log its text."""
        job, told = given
        start = time.monotonic()
        try:
            return job(told), time.monotonic() - start
        except RayPipelineError as error:
            return error
        except MemoryError:
            return _Unexpected(NO_MEMORY)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the training ends with a sentence
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = "/".join(PurePath(last.filename).parts[-2:])
            return _Unexpected(f"the fit raised {type(error).__name__} (in {last.name}, {where}:{last.lineno})")
