"""Inflates an image network to a video network that starts from the same function.

A clip (n, c, t, h, w) runs through the network as a batch of frames, (n * t, c, h, w). So each 2-D layer acts as its 1 x k x k
counterpart would on a clip, whatever the network's own code does, and only the layers that a rule chose read along time.
"""

from dlcli.support.registry import Registry

__all__ = ["RULES"]

RULES = Registry("rule", "dlcli.core.inflate.rules")
"""Rules of inflation: which layers become temporal, and how their weights are laid out along time."""
