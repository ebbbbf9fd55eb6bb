"""What would help, each with its estimated effect and the command that tests it."""
