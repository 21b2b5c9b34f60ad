"""Trainings: the network of the run is evaluated on a tenth of the test images."""

from collections.abc import Iterator
from typing import Any

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.model_io.run_dir import METADATA, load_model
from dlcli.engines.train.sets import prepared
from dlcli.engines.train.sides import open_sets
from dlcli.engines.verify.claims import RunRecord, a_tenth, same, sampled_share, skipped, whole_share
from dlcli.specs.train import TrainConfig
from dlcli.specs.verify import Check, VerifyConfig
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.reporter import SILENT

_OF_THE_TEST_SET = (
    *("data", "task", "model", "weights", "normalise", "limit", "size", "label_column", "strict", "seed", "corrupt"),
    *("frames", "clips", "fps", "rate", "pad", "steps", "group"),
)


def repeat_train(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Check that the weights are those of the claimed row, and its accuracy on a tenth."""
    rows = record.result.get("rows", [])
    card = record.folder / METADATA
    if not card.is_file() or len(rows) != 1 or "accuracy" not in rows[0]:
        yield skipped("figures", "only a run of one network that predicts classes leaves what can be evaluated")
        return
    claimed = rows[0]
    recorded = read_json_metadata(card).get("weights_sha256")
    yield same(f"SHA-256 of the weights, in {METADATA}", claimed["weights_sha256"], recorded)
    given = TrainConfig(**_data_options(record), trust_code=config.trust_code)
    data = prepared(open_sets(given, SILENT), given, given.seed).data
    device = choose_device(config.device)
    saved = load_model(record.folder, device)
    split, share = data.splits["test"], claimed["accuracy"]
    yield same("number of test images", share["n"], len(split.y))
    if given.group is None:
        yield whole_share("interval of the test accuracy", share)
    picked = a_tenth(len(split.y), config.seed)
    logits = predict_logits(for_clips(saved.model, data.clips), split.x[picked], device=device)
    right = logits.argmax(-1) == split.y[picked]
    yield sampled_share("test accuracy", share["value"], len(split.y), int(right.sum()), len(picked))


def _data_options(record: RunRecord) -> dict[str, Any]:
    """The options on which the test set depends, and how its images are prepared."""
    return {name: value for name, value in record.options.items() if name in _OF_THE_TEST_SET}
