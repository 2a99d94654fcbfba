"""From real images to a synthetic set: the loop, its methods, CLOM, soft labels."""
