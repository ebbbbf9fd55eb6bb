"""Find, prove and keep a serving configuration that meets a latency target."""

__version__ = "0.1.0"
