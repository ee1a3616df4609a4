"""Free SQL rules: judged by DuckDB in a sandbox, row by row where the query allows it, else over a whole unit."""
