"""Check what serves: whether it still meets its targets, once in minutes or all the time."""
