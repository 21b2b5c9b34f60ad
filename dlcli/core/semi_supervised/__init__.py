"""Training on labelled and unlabelled images at once: what its methods share, and the loop with a second feed."""
