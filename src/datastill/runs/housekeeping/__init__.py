"""What lies in folders, what there is to choose from, and what may go."""
