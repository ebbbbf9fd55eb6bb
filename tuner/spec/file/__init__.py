"""The study file as it is written: read, checked against its model, and described."""
