"""The engine of `dlcli attack`."""

from dlcli.engines.attack.engine import FILES, plan, run

__all__ = ["FILES", "plan", "run"]
