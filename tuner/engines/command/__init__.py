"""A server of one's own, declared by its command line."""
