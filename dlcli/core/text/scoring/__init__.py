"""Scores of pairs of texts: the probability that they are duplicates.

`word_forms` gives words the form in which they are compared, `word_lists` and `word_vectors` are what is known about words,
`similar_words` and `alignment` match words that differ; `features` computes the features of a pair from all of these, and
`pair_score` is the built-in score, `trees` on them. `operating_point` chooses a threshold for a wanted precision, `explanation`
lists the words that differ, and `scorer` is the interface of every scorer.
"""
