"""The engine of `dlcli verify`."""

from dlcli.engines.verify.engine import plan, run

__all__ = ["plan", "run"]
