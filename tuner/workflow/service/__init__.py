"""Put a result into service under a name, and take it back."""
