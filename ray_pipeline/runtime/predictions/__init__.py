"""Predictions: made by one code path, live or in a batch; logged as events; read back, joined with what came true."""
