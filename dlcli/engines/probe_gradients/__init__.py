"""The engine of `dlcli probe-gradients`."""

from dlcli.engines.probe_gradients.engine import plan, run

__all__ = ["plan", "run"]
