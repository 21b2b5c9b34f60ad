"""Print some groups of each kind of table, to read."""

from . import KINDS, make_table

for kind in KINDS:
    texts, groups = make_table(kind, seed=0, size=30)
    print(f"## {kind}: {len(texts)} texts")
    for group, text in sorted(zip(groups, texts, strict=True))[:20]:
        print(f"  {group} {text[:200]}")
