"""The engine of `dlcli dedupe`."""

from dlcli.engines.dedupe.engine import plan as plan
from dlcli.engines.dedupe.engine import run as run
