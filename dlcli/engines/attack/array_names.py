"""The names of arrays in a file of adversarial images."""

from collections.abc import Collection
from contextlib import suppress

from dlcli.specs.parse import number


def saved_name(there: Collection[str], kind: str, eps: float) -> str:
    """The name of the array of an eps among those of `save_images`, in which a fraction stands as it was typed, as x_8/255.

    Args:
        there: The names of the arrays.
        kind: What they begin with: x or predicted.
        eps: The value.

    Returns:
        The name, the usual one of the value if there is none.
    """
    usual = f"{kind}_{eps:g}"
    for name in () if usual in there else there:
        with suppress(ValueError):
            if name.startswith(f"{kind}_") and number(name.removeprefix(f"{kind}_")) == eps:
                return name
    return usual
