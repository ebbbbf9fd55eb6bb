"""Find what is wrong with a Modelfile, and what has not the effect that it seems to have."""
