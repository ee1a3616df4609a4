"""Columns of an event by their path, as the contract names them."""

from __future__ import annotations

import polars as pl


def field(path: str) -> pl.Expr:
    """Return the column at a path, where a dot leads into a record.

    >>> table = pl.DataFrame({"carrier": [{"code": "UA"}]})
    >>> table.select(field("carrier.code")).to_series().to_list()
    ['UA']
    """
    first, *inner = path.split(".")
    column = pl.col(first)
    for name in inner:
        column = column.struct.field(name)
    return column


def expression(value: pl.Expr | str) -> pl.Expr:
    """Return an expression as it is, and text as the path of a column."""
    return field(value) if isinstance(value, str) else value
