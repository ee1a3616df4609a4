"""Outside systems, one package each."""
