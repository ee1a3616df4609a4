"""The gate's own ledger: which landed rows were published, quarantined or held, decided once each."""
