"""Find duplicate questions: `dlcli dedupe` from Python."""

from dlcli.engines import dedupe
from dlcli.specs.dedupe import DedupeConfig

result = dedupe.run(DedupeConfig(table="questions"))
print(f"{result.rows_read} rows, {result.groups} groups, {result.rows_exact} exact and {result.rows_near} near duplicates")
for group in result.largest[:3]:
    print(f"{group.size} times: {group.canonical_text!r}, for example {group.example_text!r} ({group.example_score:.2f})")
