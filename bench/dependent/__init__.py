"""What verdicts keep of their promise where requests are not independent of each other."""
