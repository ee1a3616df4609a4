"""Jobs over what landed: bounded, scheduled, on Ray Data where there is much to read."""
