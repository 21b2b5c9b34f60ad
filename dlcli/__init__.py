"""dlcli: a command-line toolkit for deep learning that is also a Python library.

It answers questions about your own models and data: how easily a classifier is fooled, whether a training trick helps,
where a network fails and why it may not train, which rows of a table are duplicates. Figures carry 95% intervals, and
comparisons are paired.

Every command is a function, whose keywords are the options of the command. It takes names and paths as the command does, and
networks and data that a program holds: `nn.Module`, arrays, tensors, datasets, loaders, data frames.

    import dlcli

    result = dlcli.attack(network, (x, y), method="pgd", eps=8 / 255)  # x in [0, 1] or uint8
    print(result.headline.adversarial)  # an accuracy with its interval

    result = dlcli.dedupe(["How do I sort a list?", "How to sort a list"])
    print(result.groups, result.largest)

The functions are train, evaluate, predict, ensemble, attack, probe_gradients, convert_2d_to_3d and dedupe. They print nothing,
write only what `output` names, and raise `DlcliError`, which is also the ValueError, FileNotFoundError, MemoryError or the like
that fits. `help(dlcli.train)` lists the keywords of a function.

`dlcli.core` holds what the commands are built from, such as attacks, surgery on networks, metrics and intervals.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
"""Version of the package, as `dlcli --version` prints it."""

_FUNCTIONS = ("attack", "convert_2d_to_3d", "dedupe", "ensemble", "evaluate", "predict", "probe_gradients", "train")
_ERRORS = ("DlcliError", "DlcliWarning")

__all__ = [*_ERRORS, "__version__", *_FUNCTIONS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Make a function when it is first used: `import dlcli` alone imports nothing."""
    # By names, for everything imports this module, and an import here would make every layer depend on the highest.
    if name in _FUNCTIONS:
        found: Any = import_module("dlcli.api.functions").make_function(name)
    elif name in _ERRORS:
        found = getattr(import_module("dlcli.support.errors"), name)
    else:
        raise AttributeError(f"module 'dlcli' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
