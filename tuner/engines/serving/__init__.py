"""What engines share: processes, ports, streams, and what is read back."""
