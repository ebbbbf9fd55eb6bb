"""A candidate becomes artifacts; Modelfiles are written and read."""
