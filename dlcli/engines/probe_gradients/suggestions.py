"""What `dlcli probe-gradients` proposes: commands that train the network with a surgery and without."""

import shlex

from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.surgery import apply_surgery
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.support.errors import DlcliError


def suggested_command(config: ProbeGradientsConfig, surgery: str, model: nn.Module, sample: Tensor, *, spec: str) -> str | None:
    """The command for a surgery as it is to be typed, None if the surgery refuses `model` on the images `sample` (n, ...).

    `spec` is what `dlcli train --model` takes for a network of this kind.
    """
    if not _fits(model, surgery, sample):
        return None
    size = ["--size", str(config.size)] if config.size else []
    done = [word for one in (*config.surgery, surgery) for word in ("--with", one)]
    return shlex.join(["dlcli", "train", "--data", config.data, *size, "--model", spec, *done, "--versus", "baseline"])


def _fits(model: nn.Module, surgery: str, sample: Tensor) -> bool:
    try:
        with preserved():
            apply_surgery(model, [surgery], sample)
    except DlcliError:
        return False
    return True
