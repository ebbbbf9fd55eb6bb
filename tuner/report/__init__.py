"""A result becomes a terminal table and JSON documents."""
