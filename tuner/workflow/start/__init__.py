"""A first study, and what a study comes to before it runs."""
