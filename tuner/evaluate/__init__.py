"""Samples become numbers and verdicts."""
