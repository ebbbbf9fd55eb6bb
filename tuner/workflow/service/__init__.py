"""A result into service under a name, and back."""
