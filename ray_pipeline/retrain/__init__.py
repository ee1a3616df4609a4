"""When a model is trained again, and when the new one replaces it: decisions as pure functions."""
