"""What serving costs, and what other ways to serve would cost; pure functions on values."""
