"""What the machine and its kernel tell."""
