"""Sets and models are made: trained, distilled, labelled anew, brought from elsewhere."""
