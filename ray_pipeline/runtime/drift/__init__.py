"""Watching: counts from landed files, windows that close, verdicts that stay."""
