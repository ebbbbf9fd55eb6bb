"""What to do, from figures alone: where the time goes, what a change is worth, what serving costs.

Pure functions on values: nothing here starts an engine, searches, or reads a file.
"""
