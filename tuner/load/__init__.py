"""Arrivals, the streaming client and its samples."""
