"""The official JSON Schema test suite, out of the source distribution of ``jsonschema``, pinned by its hash.

Fetched once through pip, from whatever index pip is set to, into ``.cache/``. pip insists on asking a source
distribution for its metadata, so the two build plugins that it needs come first, pinned as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TOP = Path(__file__).parents[1]
_CACHE = _TOP / ".cache" / "json-schema-suite"
_BUILD_REQUIREMENTS = Path(__file__).parent / "golden" / "suite-build-requirements.txt"
_VERSION = "4.26.0"
_SHA256 = "0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326"
_PARTS = ("tests", "remotes")

DRAFTS = {"draft4": 4, "draft6": 6, "draft7": 7, "draft2019-09": 2019, "draft2020-12": 2020}
METASCHEMAS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}
_REMOTE = "http://localhost:1234/"


@dataclass(frozen=True, slots=True)
class Case:
    """A schema of the suite and the instances to judge with it."""

    draft: int
    file: str
    description: str
    schema: Any
    tests: tuple[tuple[str, Any, bool], ...]
    """Description, instance, whether it is valid."""

    def __str__(self) -> str:
        return f"{self.draft}-{self.file}-{self.description}"


def required() -> list[Case]:
    """Every required test of the five drafts."""
    return [case for name in DRAFTS for path in sorted(_tests(name).glob("*.json")) for case in _cases(name, path)]


def optional(*patterns: str) -> list[Case]:
    """Optional tests whose files match, like ``format/*`` or ``ecmascript-regex``."""
    return [
        case
        for name in DRAFTS
        for pattern in patterns
        for path in sorted((_tests(name) / "optional").glob(f"{pattern}.json"))
        for case in _cases(name, path)
    ]


@cache
def remotes(draft: int) -> dict[str, Any]:
    """The suite's remote schemas, by the address at which its tests expect them."""
    top = suite() / "remotes"
    other = {name for name in DRAFTS if DRAFTS[name] != draft}
    files = (path.relative_to(top) for path in sorted(top.rglob("*.json")))
    # A remote of another draft is only reached by tests across drafts, which are optional.
    return {
        f"{_REMOTE}{file.as_posix()}": json.loads((top / file).read_bytes())
        for file in files
        if file.parts[0] not in other
    }


@cache
def suite() -> Path:
    """The folder with ``tests`` and ``remotes``; fetched when it is not there."""
    if not all((_CACHE / part).is_dir() for part in _PARTS):
        _fetch()
    return _CACHE


def _tests(name: str) -> Path:
    return suite() / "tests" / name


def _cases(name: str, path: Path) -> Iterator[Case]:
    file = path.relative_to(_tests(name)).with_suffix("").as_posix()
    for group in json.loads(path.read_bytes()):
        tests = tuple((test["description"], test["data"], test["valid"]) for test in group["tests"])
        yield Case(DRAFTS[name], file, group["description"], group["schema"], tests)


def _fetch() -> None:
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as folder:
        work = Path(folder)
        pinned = work / "jsonschema.txt"
        pinned.write_text(f"jsonschema=={_VERSION} --hash=sha256:{_SHA256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        plugins = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(work / "plugins")]
        _run([*pip, "install", *plugins, "-r", str(_BUILD_REQUIREMENTS)], {})
        download = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--no-cache-dir"]
        _run(
            [*pip, "download", *download, "-d", str(work / "sdist"), "-r", str(pinned)],
            {"PYTHONPATH": str(work / "plugins")},
        )
        [archive] = (work / "sdist").glob("*.tar.gz")
        _unpack(archive, work / "suite")
        (work / "suite").rename(_CACHE)


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the JSON Schema test suite could not be fetched: {done.stderr[-2000:]}")


def _unpack(archive: Path, target: Path) -> None:
    """Take ``json/tests`` and ``json/remotes``, and nothing else."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or len(parts) < 4 or parts[1] != "json" or parts[2] not in _PARTS or ".." in parts:
                continue
            content = tar.extractfile(member)
            assert content is not None
            path = target.joinpath(*parts[2:])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
