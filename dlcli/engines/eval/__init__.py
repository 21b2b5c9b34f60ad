"""The engine of `dlcli eval`."""

from dlcli.engines.eval.engine import FILES, plan, run

__all__ = ["FILES", "plan", "run"]
