"""By command, the tenth of the work that is done again, and the figures that follow from what the run left."""

from collections.abc import Callable, Iterator

from dlcli.engines.verify.agreement import CONFIGS
from dlcli.engines.verify.claims import RunRecord, skipped
from dlcli.engines.verify.repeat_attack import repeat_attack
from dlcli.engines.verify.repeat_ensemble import repeat_ensemble
from dlcli.engines.verify.repeat_eval import repeat_eval
from dlcli.engines.verify.repeat_pairs import is_of_pairs, repeat_pairs
from dlcli.engines.verify.repeat_train import repeat_train
from dlcli.specs.option import declared
from dlcli.specs.predictions import is_prediction_file
from dlcli.specs.verify import Check, VerifyConfig

Repeat = Callable[[RunRecord, VerifyConfig], Iterator[Check]]

REPEATS: dict[str, Repeat] = {
    "eval": repeat_eval,
    "attack": repeat_attack,
    "train": repeat_train,
    "ensemble": repeat_ensemble,
}
"""The commands whose work can be repeated in part."""

_STDIN = "-"

DESCRIPTIONS = {
    "eval": "a random tenth of the predictions was made again",
    "attack": "a random tenth of the changed images was classified again",
    "train": "the network was evaluated on a random tenth of the test images, not trained",
    "ensemble": "the members were combined on a random tenth of the test images, not trained",
}


def repeat(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """The checks of the repeated work."""
    found = repeat_pairs if is_of_pairs(record) else REPEATS.get(record.command)
    if found is not None and _from_a_pipe(record):
        yield skipped("figures", "what came through standard input is gone")
    elif found is None:
        yield skipped("figures", f"of dlcli {record.command} only hashes are checked")
    else:
        yield from found(record, config)


def _from_a_pipe(record: RunRecord) -> bool:
    """Whether a run read standard input, of which nothing is left to look at."""
    read = (item.name for item, details in declared(CONFIGS[record.command]) if details.reads)
    return any(record.content["config"][name] == _STDIN for name in read)


def description(record: RunRecord) -> str:
    """Which part was repeated, in a phrase."""
    if is_of_pairs(record):
        return "all pairs were scored again" + (", the scorer was not trained" if record.command == "train" else "")
    if record.command == "eval" and is_prediction_file(str(record.content["config"].get("model"))):
        return "figures were computed again from the table of predictions, which was not made again"
    return DESCRIPTIONS.get(record.command, "only hashes were compared")
