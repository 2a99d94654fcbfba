"""What everything stands on: errors, words, random streams, registries, the machine."""
