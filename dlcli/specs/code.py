"""Names of networks that stand for the user's own code, which is imported and run."""

import re
import shlex
from typing import Any

from dlcli.specs.option import declared, entries, option
from dlcli.support.errors import UsageError

FRAME_MLP = "frame-mlp"
"""`frame-mlp:NAME` is a perceptron on features that the image network NAME computes from the frames of a clip."""
_WITH_SIZES = re.compile(r"[a-z][a-z0-9-]*(:[0-9]+)+")
"""A built-in network with its sizes, such as `tcn:4:24`, which the name of a callable cannot look like."""
_HUBS = entries("hub", "dlcli.core.models.hubs")


def code_in(spec: str) -> str | None:
    """The code that the name of a network stands for, such as `nets.py:Net`; None for a network that is not the user's own.

    Args:
        spec: As `dlcli.core.models.named_model` takes it.

    Returns:
        `file.py:callable` or `package.module:callable`, or None.
    """
    while spec.partition(":")[0] == FRAME_MLP:
        spec = spec.partition(":")[2]
    if has_sizes(spec):
        return None
    return spec if ":" in spec and spec.partition(":")[0] not in _HUBS() else None


def has_sizes(spec: str) -> bool:
    """Whether `spec` names a built-in network with its sizes, as `tcn:4:24` does."""
    return _WITH_SIZES.fullmatch(spec) is not None


def spellings(config: Any) -> frozenset[str]:
    """The code that the options of a configuration name, in options that may."""
    named = (getattr(config, item.name) for item, details in declared(config) if details.names_code)
    return frozenset(code for value in named for code in spellings_in(value))


def spellings_in(value: Any) -> list[str]:
    """The code that one value of an option names: a name, several, or the text of a variant such as `--model nets.py:Other`."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, (tuple, list)) else ()
    return [code for text in texts for word in _words(text) if (code := code_in(word))]


def _words(text: str) -> list[str]:
    try:  # a path may hold blanks, so the whole is a word of its own
        return [text, *shlex.split(text)] if text.startswith("-") or " " in text else [text]
    except ValueError:
        return [text]


def trust_code_option() -> Any:
    """`trust_code`: let files name code."""
    return option(
        False,
        "Import code that a run directory or a converted network names, if it is the same as in training. Otherwise only code "
        "that is named on the command line is imported.",
        typed_only=True,
    )


def check_trust(name: str, value: Any) -> None:
    """Raise UsageError if `value`, read from a configuration file for the option `name`, names code."""
    if found := spellings_in(value):
        message = f"`{name}`: the configuration file names code, {found[0]}, which is imported only if it is trusted"
        raise UsageError(message, hint=f"type `{name}={found[0]}`, or add `trust_code`")
