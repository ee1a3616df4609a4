"""Model versions in the lake: kept for ever, and found by number or alias."""
