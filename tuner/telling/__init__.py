"""Tell people what a night came to: messages to their services, and metrics for Prometheus."""
