"""The engine of `dlcli eval`."""

from dlcli.engines.eval.engine import plan as plan
from dlcli.engines.eval.engine import run as run
