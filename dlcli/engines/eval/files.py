"""Names of the files that `dlcli eval -o DIR` writes."""

from dlcli.specs.predictions import PREDICTIONS

FILES = ("confusion.png", "reliability.png", "mistakes.png", PREDICTIONS, "report.html")
"""Files in the output folder, mistakes.png only if there are mistakes; the command line adds run.json."""
