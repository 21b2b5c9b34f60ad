"""The method that `semi` names, with its settings."""

from dlcli.core.semi_supervised.base import SemiSettings, SemiSupervised
from dlcli.core.semi_supervised.methods import SEMI_SUPERVISED
from dlcli.specs.arms import one
from dlcli.specs.semi_supervised import DEFAULT_TEMPERATURE, semi_chosen
from dlcli.specs.train import TrainConfig


def method_of(config: TrainConfig) -> SemiSupervised | None:
    """The method of `semi`; None for supervised training."""
    if not semi_chosen(config.semi):
        return None
    settings = SemiSettings(config.unlabelled_weight, config.threshold, config.alpha, config.temperature or DEFAULT_TEMPERATURE)
    found: SemiSupervised = SEMI_SUPERVISED.module(str(one(config.semi))).method(settings)
    return found
