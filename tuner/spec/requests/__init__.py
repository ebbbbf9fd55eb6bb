"""What is sent and what is expected of the answers: prompts, shots, slots, checks."""
