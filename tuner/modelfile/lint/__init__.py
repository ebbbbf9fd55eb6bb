"""What is wrong with a Modelfile, and what does not do what it seems to."""
