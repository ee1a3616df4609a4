"""Fakes, shipped: a store in memory, a scripted source, a clock that stands still."""
