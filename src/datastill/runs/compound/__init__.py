"""Runs made of runs: the whole job, many that differ in a few values, the demo."""
