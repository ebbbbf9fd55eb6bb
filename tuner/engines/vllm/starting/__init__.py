"""What the log of a start says: why it failed, or what the server that started really has."""
