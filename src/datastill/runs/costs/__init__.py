"""What a run will cost, and what it may reach: measured once, and what fits a time."""
