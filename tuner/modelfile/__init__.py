"""The Modelfile: read, written, checked and changed."""
