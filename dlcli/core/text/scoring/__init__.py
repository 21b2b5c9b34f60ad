"""Scores of pairs of texts: the probability that they are duplicates.

`features` computes 23 lexical features, `pair_score` the built-in logistic regression on them, `operating_point` chooses a
threshold for a wanted precision, `explanation` lists the words that differ, and `scorer` is the interface of every scorer.
"""
