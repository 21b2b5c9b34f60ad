"""The commands that `dlcli probe-gradients` suggests: training with and without a surgery, in pairs."""

from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.surgery import apply_surgery
from dlcli.specs.command_line import command_line
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import IMAGES
from dlcli.support.errors import DlcliError


def suggested_command(
    config: ProbeGradientsConfig,
    surgery: str,
    model: nn.Module,
    sample: Tensor,
    *,
    spec: str,
    task: str = IMAGES,
    group: str | None = None,
) -> str | None:
    """The command that tries a surgery.

    Args:
        config: Names the data, the image size and the surgery of the probed network.
        surgery: The operation to try.
        model: The probed network.
        sample: Images, (n, ...).
        spec: Name of the network for `dlcli train`.
        task: What it learned.
        group: The column that it was trained by.

    Returns:
        The command; None if the operation cannot change this network.
    """
    if not _applicable(model, surgery, sample):
        return None
    changes = (*config.surgery, surgery)
    return command_line(
        "train",
        data=config.data,
        task=None if task == IMAGES else task,
        group=group,
        size=config.size or None,
        model=spec,
        surgery=changes,
        versus="baseline",
    )


def _applicable(model: nn.Module, surgery: str, sample: Tensor) -> bool:
    """Whether the operation can change this network; tried on a copy."""
    try:
        with preserved():
            apply_surgery(model, [surgery], sample)
    except DlcliError:
        return False
    return True
