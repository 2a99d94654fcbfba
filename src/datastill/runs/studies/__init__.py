"""Which assessment to trust, found out on many sets."""
