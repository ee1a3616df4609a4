"""The loop: what is observed, what was decided, and the training that came of it."""
