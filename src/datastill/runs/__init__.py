"""Runs as a whole: what they cost, and what they were measured to reach."""
