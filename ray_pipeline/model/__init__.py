"""A model version as a value: how it was trained, what it sees, how good it is, and which version answers."""
