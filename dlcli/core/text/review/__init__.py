"""The page for labelling pairs, `dlcli dedupe --review`: its data (`page`), scripts, style and what it shows first.

`uncertainty` chooses the pairs nearest the threshold, `text_diff` splits texts so that differing words can be marked.
"""
