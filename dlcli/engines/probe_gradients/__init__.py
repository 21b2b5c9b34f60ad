"""The engine of `dlcli probe-gradients`."""

from dlcli.engines.probe_gradients.engine import plan as plan
from dlcli.engines.probe_gradients.engine import run as run
