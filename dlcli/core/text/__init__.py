"""Texts: folding, vectors, neighbours, groups."""
