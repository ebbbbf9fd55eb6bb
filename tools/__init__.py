"""Programs for those who work on the tuner; none of them is part of it."""
