"""A report as one HTML page: every number on it names its place in the data that it carries."""
