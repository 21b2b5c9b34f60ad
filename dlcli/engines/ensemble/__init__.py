"""The engine of `dlcli ensemble`."""

from dlcli.engines.ensemble.engine import plan as plan
from dlcli.engines.ensemble.engine import run as run
