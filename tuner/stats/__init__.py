"""Quantiles, certificates and comparisons: pure functions on arrays."""
