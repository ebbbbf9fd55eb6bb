"""Modelfiles of the user: checked, compared, edited."""
