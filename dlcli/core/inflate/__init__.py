"""From a network for images to one for video that starts from the same knowledge.

A clip (n, c, t, h, w) goes through the network frame by frame, (n * t, c, h, w): so a convolution, a norm or a pooling of
images does what 1 x k x k and its like would do to a clip, whatever the network's own code looks like, and the few layers
that a rule chose look along time as well.
"""

from dlcli.support.registry import Registry

RULES = Registry("rule", "dlcli.core.inflate.rules")
"""Rules of inflation: which layers become temporal, and how their weights are laid out along time."""
