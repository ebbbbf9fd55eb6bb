"""Tuning beside production: when it may run, whether there is room, production stopped for it."""
