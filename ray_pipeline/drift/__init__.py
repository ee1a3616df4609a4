"""What the world looked like when a model was trained, as counts that others can be compared with."""
