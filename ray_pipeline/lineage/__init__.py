"""What ran, from what, to what: OpenLineage run events as values."""
