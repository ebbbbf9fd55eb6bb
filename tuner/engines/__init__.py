"""Make a candidate serve, say what is really in force, stop cleanly."""
