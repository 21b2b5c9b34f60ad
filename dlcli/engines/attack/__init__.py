"""The engine of `dlcli attack`."""

from dlcli.engines.attack.engine import plan as plan
from dlcli.engines.attack.engine import run as run
