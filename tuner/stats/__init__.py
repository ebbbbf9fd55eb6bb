"""Quantiles, certificates and comparisons: pure functions on arrays.

`import scipy` takes no time, and brings `scipy.special` when a function of it is first called; its
other parts take half a second, and are not used.
"""
