"""Send requests as a load asks, and make a sample of each."""
