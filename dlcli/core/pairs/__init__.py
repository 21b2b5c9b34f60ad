"""Labelled pairs of texts: reading and splitting them, training scorers on them, evaluating and saving those."""
