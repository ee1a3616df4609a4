"""One file per command; each is a thin call of what a notebook uses."""
