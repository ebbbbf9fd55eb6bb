"""Check, compare and edit the user's Modelfiles."""
