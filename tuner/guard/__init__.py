"""Answers become classes, classes become a verdict."""
