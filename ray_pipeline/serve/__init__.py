"""Answers over HTTP on Ray Serve."""
