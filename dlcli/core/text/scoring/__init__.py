"""Scores of pairs of texts: the probability that they are duplicates.

`word_forms` gives words the form in which they are compared, `word_lists` and `word_vectors` are what is known about words,
`rarity` says how much a word counts, `similar_words` and `alignment` match words that differ. `tokenized_texts` holds what is
computed once per text, `features`, `word_order` and `codes` compute the features of a pair, and
`pair_score` is the built-in score, `trees` on them, with which `sentence_score` combines the cosine of a sentence model.
`operating_point` chooses a threshold for a wanted precision, `explanation`
lists the words that differ, and `scorer` is the interface of every scorer.
"""
