"""The report of a run: its folder is read, and becomes a page."""
