"""Texts of a table, from cells to groups of duplicates.

In the order of a run of `dlcli dedupe`: `table_input` and `columns` read texts, `tokens` folds and tokenizes them, `distinct`
keeps one per key, `vectors/` embeds them, `search/` finds candidate pairs, `scoring/` gives each pair a probability,
`clusters`, `keep_rule` and `group_ids` form and name groups, `review/` writes the page for labelling pairs, and `index_dir`
stores all of it for the next table. `ragged` holds lists of different lengths in two arrays.
"""
