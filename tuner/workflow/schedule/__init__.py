"""Write what lets a scheduler of the system run `tune retune` every night; install nothing."""
