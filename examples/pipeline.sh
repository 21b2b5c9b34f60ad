#!/bin/sh
# dlcli between other tools: mark duplicates, keep one of each, count the rest.
# Reads a table with a text column on standard input, prints how many rows remain.
set -eu

marked=$(mktemp)
trap 'rm -f "$marked"' EXIT

dlcli dedupe --quiet - > "$marked"

rows=$(dlcli dedupe --quiet --format jsonl - < "$marked" | wc -l)
kept=$(dlcli dedupe --quiet --keep --format jsonl - < "$marked" | wc -l)
echo "$kept of $rows questions need an answer"

# The exit status of the check decides what happens next: 1 means that there are duplicates.
if dlcli dedupe --quiet --fail-on-duplicates - < "$marked" > /dev/null 2>&1; then
  echo "no duplicates"
else
  echo "the pairs that are most alike:"
  dlcli dedupe --quiet --pairs - < "$marked" | head -n 4
fi
