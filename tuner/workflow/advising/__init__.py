"""Advice from figures, results and models: what is read for `tuner.advice`."""
