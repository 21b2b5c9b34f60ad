"""The zoo: a registry; each module builds one network (`build`) and says how to train it (`RECIPE`)."""

from typing import TYPE_CHECKING

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.data.base import ImageData
    from dlcli.core.models.base import Architecture

MODELS = Registry("model", "dlcli.core.models")

_MADE_FOR = {(8, 8): "digits-net", (28, 28): "mnist-net"}


def open_model(spec: str | None, data: "ImageData") -> "Architecture":
    """The untrained network that `spec` names (see `find_model`), once it is seen to work on the images of `data`.

    Raises what `find_model` raises, and InputError or NumericError if the network does not return finite logits
    (n, at least as many as there are classes) for such images.
    """
    from dlcli.core.models import base

    found = find_model(spec, data)
    base.check_fit(found, data.x_train[:2], len(data.classes))
    return found


def find_model(spec: str | None, data: "ImageData") -> "Architecture":
    """The network that `spec` names, fitted to the size and channels of the images of `data` and to its classes.

    `spec` is a name of the zoo, or `package.module:callable` or `file.py:callable`, which imports and runs that code.
    None: the network made for images of this size. Raises UsageError if there is no such network, and InputError if
    the named file is not there or its code fails.
    """
    from dlcli.core.models import base

    channels, size, classes = data.channels, data.size, len(data.classes)
    if spec is None:
        spec = _made_for(size)
    if ":" in spec:
        return base.from_callable(spec, channels, size, classes)
    return base.from_zoo(spec, MODELS.module(_checked(spec)), channels, size, classes)


def _made_for(size: tuple[int, int]) -> str:
    if size not in _MADE_FOR:
        message = f"--model: no network is made for images of {size[0]}x{size[1]}, so one must be named"
        raise UsageError(message, hint=f"--model {' or '.join(MODELS.names())} or FILE.py:CALLABLE")
    return _MADE_FOR[size]


def _checked(name: str) -> str:
    if name.endswith(".py"):
        raise UsageError(f"--model: {name} needs the name of a callable in it", hint=f"--model {name}:CALLABLE")
    return name
