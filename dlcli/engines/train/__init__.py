"""The engine of `dlcli train`."""

from dlcli.engines.train.engine import plan, run

__all__ = ["plan", "run"]
