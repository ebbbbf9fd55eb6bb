"""Read, write, check and change Modelfiles."""
