"""Search for candidate pairs: all pairs of vectors whose cosine is at least a threshold.

`neighbours` is the entry point; it uses `sparse_join` (exact) for sparse vectors and `cell_join` (approximate) for many dense
ones. `cross_join` finds only the pairs that have a new text.
"""
