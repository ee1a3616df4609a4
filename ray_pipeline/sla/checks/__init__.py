"""One file per kind of check: what it looks at, and its verdict."""
