"""Labelled pairs of texts: read, split by question, learned from, judged."""
