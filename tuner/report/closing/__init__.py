"""What closes a command: first what a user asked, then tables, then what else there is to know."""
