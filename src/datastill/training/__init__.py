"""Fitting networks, alone or stacked; pools of original models, protocols, coresets."""
