"""Where Parquet lands: object keys, the commit log, verify, snapshots."""
