"""What may take the time of requests, each with what speaks for and against it."""
