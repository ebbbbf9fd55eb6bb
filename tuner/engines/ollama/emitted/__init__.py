"""What goes into service: a Modelfile and files beside it, programs that ask, and the place."""
