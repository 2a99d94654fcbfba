"""Statistics that hold where witnesses are few, and relatives of one another.

One module for each idea, values in and values out: none knows what a set, a recipe or an assessment
is. ``benchmarks/coverage.py`` tells, of simulated studies of known truth, how often each interval
holds it, and how often a test at 5 % rejects what is true.
"""
