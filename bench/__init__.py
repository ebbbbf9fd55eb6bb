"""Measurements of the tuner itself: run `make bench`."""
