"""Quantiles, certificates and comparisons: pure functions on arrays.

`import scipy` takes no time, and brings `scipy.special` when a function of it is first called. Its
other parts take up to half a second: only `process` uses one, `linalg`.
"""
