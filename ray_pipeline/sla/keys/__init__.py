"""Exact uniqueness and relationships: a sorted run of 128-bit key hashes per file, merged range by range."""
