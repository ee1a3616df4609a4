"""What a contract promises of its data over time: states that merge, and verdicts on them. No engine, no store."""
