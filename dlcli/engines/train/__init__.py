"""The engine of `dlcli train`."""

from dlcli.engines.train.engine import plan as plan
from dlcli.engines.train.engine import run as run
