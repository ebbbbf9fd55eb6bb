"""Judge answers: each gets a class, and the classes together give a verdict."""
