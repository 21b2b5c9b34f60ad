"""The engine of `dlcli dedupe`: find duplicate and near-duplicate rows of a table."""

from dlcli.engines.dedupe.engine import plan, run

__all__ = ["plan", "run"]
