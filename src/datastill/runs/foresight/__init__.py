"""Before a run: whether it can be carried out here, and for how long it will take."""
