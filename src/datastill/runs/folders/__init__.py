"""Folders of runs: which one a run gets, what it holds, what its result follows from."""
