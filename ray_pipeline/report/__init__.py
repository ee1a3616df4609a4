"""The page that shows a run to people: one self-contained file, no network, no script."""
