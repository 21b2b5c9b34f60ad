"""The engine of `dlcli convert-2d-to-3d`."""

from dlcli.engines.convert_2d_to_3d.engine import plan, run

__all__ = ["plan", "run"]
