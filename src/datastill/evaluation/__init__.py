"""Whether to trust a set: validation, comparison, assessments, studies of them."""
