"""Any report that a gate could make, and many that none would."""

from __future__ import annotations

from hypothesis import strategies as st

from ray_pipeline.contracts.expectations import SupportChannel
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    DayResult,
    Disposition,
    GateReport,
    NotJudged,
    OffsetRange,
    Verdict,
)
from ray_pipeline.types import ContractRef

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "=cmd()|' /C calc'!A0",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe\u2066",
    "a\nb\tc\x00",
    "{{ 7 * 7 }}{% raw %}",
    "</style></svg></title>",
    "javascript:alert(1)",
    "\ud800 lone",
    "Zoë 日本 עברית",
    "",
)
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.just("departures"))
days = st.one_of(st.dates().map(lambda day: day.isoformat()), st.sampled_from(("", "2013-02-31", "<b>")))
rows = st.integers(0, 2**40)
values = st.floats(allow_nan=False)
lines = st.none() | st.integers(-1, 500)
refs = st.builds(RowRef, names, st.integers(-1, 99), st.integers(0, 2**60))
small = 3

results = st.builds(
    CheckResult,
    check=names,
    name=names,
    kind=names,
    scope=st.sampled_from(("row", "day", "dataset")),
    severity=st.sampled_from(("error", "warning", "info")),
    verdict=st.sampled_from(list(Verdict)),
    day=st.none() | days,
    column=st.none() | names,
    dimension=st.none() | names,
    breach=st.sampled_from(("quarantine", "hold")),
    value=st.none() | values,
    unit=st.sampled_from(("rows", "percent", "s", "days", "", "°F")),
    target=names,
    detail=names,
    rows=st.none() | rows,
    examples=st.lists(refs, max_size=small).map(tuple),
    error_bound=st.none() | names,
    line=lines,
    key=names,
    history=st.lists(st.tuples(days, values), max_size=small).map(tuple),
)
day_results = st.builds(
    DayResult,
    day=days,
    disposition=st.sampled_from(list(Disposition)),
    rows=rows,
    new_rows=rows,
    published=rows,
    quarantined=rows,
    held=rows,
    reasons=st.lists(names, max_size=small).map(tuple),
    complete=st.booleans(),
    checks=st.lists(results, max_size=small).map(tuple),
)
profiles = st.builds(
    ColumnProfile,
    name=names,
    type=names,
    rows=rows,
    nulls=rows,
    minimum=st.none() | names,
    maximum=st.none() | names,
    histogram=st.lists(st.tuples(values, values, rows), max_size=small).map(tuple),
    top=st.lists(st.tuples(names, rows), max_size=small).map(tuple),
    sampled=rows,
    classified=st.booleans(),
)
datasets = st.builds(
    DatasetResult,
    dataset=names,
    topic=names,
    contract=st.builds(ContractRef, names, names, names),
    contract_file=names,
    support=st.lists(st.builds(SupportChannel, names, st.none() | names, st.none() | names), max_size=2).map(tuple),
    decision=st.none() | st.integers(0, 2**60),
    days=st.lists(day_results, max_size=small).map(tuple),
    checks=st.lists(results, max_size=small).map(tuple),
    not_judged=st.lists(st.builds(NotJudged, names, names, lines, names), max_size=2).map(tuple),
    profile=st.lists(profiles, max_size=2).map(tuple),
    offsets=st.lists(st.builds(OffsetRange, st.integers(0, 99), rows, rows), max_size=2).map(tuple),
    landed=rows,
    published=rows,
    quarantined=rows,
    held=rows,
    new_rows=rows,
    files_added=rows,
    files_rewritten=rows,
    released=rows,
    refused=rows,
    table=st.none() | names,
    snapshot_id=st.none() | st.integers(0, 2**63),
    problems=st.lists(names, max_size=2).map(tuple),
)
reports = st.builds(
    GateReport,
    run_id=names,
    pipeline=names,
    at=st.one_of(names, st.just("2013-02-25T04:30:00Z"), st.just("0001-01-01T00:00:00+14:00")),
    started_at=st.one_of(names, st.just("2013-02-25T04:30:00Z")),
    finished_at=st.one_of(names, st.just("2013-02-25T04:30:09.5Z"), st.just("2013-02-25T04:30:00")),
    datasets=st.lists(datasets, max_size=2).map(tuple),
    dry_run=st.booleans(),
    repeated=st.booleans(),
    report_uri=st.none() | names,
    results_uri=st.none() | names,
    version=names,
    timings=st.dictionaries(names, st.floats(0, 1e6), max_size=3),
)
