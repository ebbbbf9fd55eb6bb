"""The study file and the value types that everything speaks; errors."""
