"""Wrappers that do not show in the keys: what is saved from one loads into the network inside, and the other way round."""

from typing import Any

from torch import nn


def hide_from_state_dict(module: nn.Module, child: str = "inner") -> None:
    """Take `child` out of the keys of `module`'s state dict, alone or inside other modules."""
    module.register_state_dict_post_hook(_Rename(child, shown=True))
    module.register_load_state_dict_pre_hook(_Rename(child, shown=False))


class _Rename:
    """A hook on state dicts; a class and no closure, so that networks can be copied and pickled."""

    def __init__(self, child: str, *, shown: bool) -> None:
        self.child, self.shown = child, shown

    def __call__(self, module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
        long = f"{prefix}{self.child}."
        old, new = (long, prefix) if self.shown else (prefix, long)
        for key in [key for key in state if key.startswith(old)]:
            state[new + key.removeprefix(old)] = state.pop(key)
