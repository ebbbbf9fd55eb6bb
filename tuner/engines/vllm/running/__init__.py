"""What a running vLLM tells of itself: its metrics, the reason for its pace, its prefix cache."""
