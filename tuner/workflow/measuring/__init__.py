"""An engine in use: one candidate served, measured, compared."""
