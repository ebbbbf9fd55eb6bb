"""What the installed version understands: its flags, and its settings of the environment."""
