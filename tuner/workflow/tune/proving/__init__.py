"""Finalists are proven beside the baseline; what may be claimed of them."""
