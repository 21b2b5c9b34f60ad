"""The engine of `dlcli ensemble`."""

from dlcli.engines.ensemble.engine import plan, run

__all__ = ["plan", "run"]
