"""Rounds of tuning, each from the best so far, until one proves the target or none pays."""
