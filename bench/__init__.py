"""Benchmarks: each prints figures, medians and ratios; none asserts anything about time.

`python -m bench` runs all of them, `python -m bench posting copying` those two.
"""
