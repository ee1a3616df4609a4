"""Ray itself: actors, the supervisor, and the wiring that joins core and connectors."""
