"""`tune sweep`: one knob at a time on the real engine, the baseline between."""
