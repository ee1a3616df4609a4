"""Curated tables: what passed the gate, as Apache Iceberg tables that any engine reads.

``catalog.open_catalog`` is the way in; ``files.addable`` and ``files.prepare`` say what a file must be to be added.
Importing this package imports no pyiceberg: half a second that only a command which needs it pays.
"""
