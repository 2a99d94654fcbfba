"""Sets are scored without a test set, and ranked."""
