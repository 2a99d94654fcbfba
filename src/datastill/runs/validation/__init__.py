"""Networks are trained on sets and tested: on one set, or on several beside real images."""
