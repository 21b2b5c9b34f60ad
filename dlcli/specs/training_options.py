"""Options of `dlcli train` on the steps of training: what the optimizer does with a gradient, and at what rate."""

from typing import Any

from dlcli.specs.option import option


def weight_decay_option() -> Any:
    """`weight_decay`: how fast weights shrink."""
    return option(
        None,
        "Weight decay, as the optimizer defines it: decoupled for adamw, else an L2 penalty. Biases and normalisation do not "
        "decay. Default: the network's own.",
        minimum=0,
    )


def momentum_option() -> Any:
    """`momentum`: that of SGD."""
    return option(
        None, "Momentum of `optimizer=sgd`. Default: the network's own, or 0.9 if the network has none.", minimum=0, below=1
    )


def warmup_option() -> Any:
    """`warmup`: epochs in which the learning rate rises."""
    return option(
        0.0,
        "Raise the learning rate linearly over this many epochs first, e.g. 0.5; the schedule takes the rest.",
        minimum=0,
        metavar="EPOCHS",
    )
