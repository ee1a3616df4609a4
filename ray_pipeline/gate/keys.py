"""Where every object of a gate lies below the store's root.

::

    <pipeline>/_gate/<dataset>/
      <n>.json                                one entry of the ledger
      <n>.lease-<k>.json                      who works on decision n, and until when
      checkpoint.json                         a hint: the newest n
      runs/<run id>.json                      which entry decided this run
      days/<day>/<n>-<nonce>.json             the manifest of a day as of decision n
      states/<ab>/<SHA-256 of the file>.<group of measures>.state
      results/<n>-<nonce>.json                what was found, on which decision n rests
      data/<day>/<n>-<nonce>-<i>.parquet      rewritten and released rows
      quarantine/<day>/<n>-<nonce>-<i>.parquet
    <pipeline>/_gate/_runs/<run id>/…         reports, of all datasets of a run; index.html beside them
    <pipeline>/_gate/catalog.db, _warehouse/  the curated tables, where no other catalog is configured

Names from outside are quoted as the lake quotes them. What two gates may both write while they race for one decision
has the writer's nonce in its name, so neither overwrites the other's.
"""

from __future__ import annotations

from ray_pipeline.lake.keys import quote


def gate_prefix(pipeline: str, dataset: str | None = None) -> str:
    """Return the folder of a dataset's gate, or of all gates of a pipeline.

    >>> gate_prefix("flights", "departures")
    'flights/_gate/departures'
    """
    folder = f"{quote(pipeline)}/_gate"
    return folder if dataset is None else f"{folder}/{_dataset(dataset)}"


def entry_key(pipeline: str, dataset: str, n: int) -> str:
    """Return the key of entry ``n`` of the ledger."""
    return f"{gate_prefix(pipeline, dataset)}/{n:020d}.json"


def lease_key(pipeline: str, dataset: str, n: int, k: int) -> str:
    """Return the key of the ``k``-th lease for entry ``n``."""
    return f"{gate_prefix(pipeline, dataset)}/{n:020d}.lease-{k:06d}.json"


def checkpoint_key(pipeline: str, dataset: str) -> str:
    """Return the key of the one mutable object: a hint where the ledger's end is."""
    return f"{gate_prefix(pipeline, dataset)}/checkpoint.json"


def run_key(pipeline: str, dataset: str, run_id: str) -> str:
    """Return the key of what says which entry decided a run."""
    return f"{gate_prefix(pipeline, dataset)}/runs/{quote(run_id)}.json"


def manifest_key(pipeline: str, dataset: str, day: str, n: int, nonce: str) -> str:
    """Return the key of a day's manifest as of decision ``n``."""
    return f"{gate_prefix(pipeline, dataset)}/days/{quote(day)}/{n:020d}-{quote(nonce)}.json"


def kept_key(pipeline: str, dataset: str, day: str, n: int, nonce: str, i: int) -> str:
    """Return the key of the ``i``-th file of published rows that decision ``n`` writes."""
    return f"{gate_prefix(pipeline, dataset)}/data/{quote(day)}/{n:020d}-{quote(nonce)}-{i:06d}.parquet"


def quarantine_key(pipeline: str, dataset: str, day: str, n: int, nonce: str, i: int) -> str:
    """Return the key of the ``i``-th file of quarantined rows that decision ``n`` writes."""
    return f"{gate_prefix(pipeline, dataset)}/quarantine/{quote(day)}/{n:020d}-{quote(nonce)}-{i:06d}.parquet"


def state_key(pipeline: str, dataset: str, sha256: str, group: str) -> str:
    """Return the key of the states that one group of measures has of the file with this SHA-256.

    >>> state_key("p", "d", "ab12", "k-9")
    'p/_gate/d/states/ab/ab12.k-9.state'
    """
    return f"{gate_prefix(pipeline, dataset)}/states/{quote(sha256[:2])}/{quote(sha256)}.{quote(group)}.state"


def result_key(pipeline: str, dataset: str, n: int, nonce: str) -> str:
    """Return the key of what was found about the dataset, on which decision ``n`` rests."""
    return f"{gate_prefix(pipeline, dataset)}/results/{n:020d}-{quote(nonce)}.json"


def report_key(pipeline: str, run_id: str, name: str) -> str:
    """Return the key of one of a run's reports.

    >>> report_key("flights", "nightly", "report.html")
    'flights/_gate/_runs/nightly/report.html'
    """
    return f"{quote(pipeline)}/_gate/_runs/{quote(run_id)}/{name}"


def index_key(pipeline: str) -> str:
    """Return the key of the page that lists the runs."""
    return f"{quote(pipeline)}/_gate/_runs/index.html"


def entry_number(key: str) -> int | None:
    """Return the number of the entry that the key names; None where it names something else.

    >>> entry_number("p/_gate/d/00000000000000000007.json"), entry_number("p/_gate/d/checkpoint.json")
    (7, None)
    """
    stem, dot, end = key.rsplit("/", 1)[-1].partition(".")
    return int(stem) if dot and end == "json" and len(stem) == 20 and stem.isdecimal() else None


def _dataset(name: str) -> str:
    quoted = quote(name)
    return "=5Fruns" if quoted == "_runs" else quoted  # the reports' folder is not a dataset's
