"""Networks and weights on disk: run directories, checkpoints, and the cache of trained networks."""
