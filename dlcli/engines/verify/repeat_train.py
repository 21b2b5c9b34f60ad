"""Trainings: the network of the run is evaluated on a tenth of the test images."""

import json
from collections.abc import Iterator

from dlcli.engines.model_and_data import open_model_and_data
from dlcli.engines.verify.claims import RunRecord, a_tenth, same, sampled_share, skipped
from dlcli.specs.eval import EvalConfig
from dlcli.specs.verify import Check, VerifyConfig
from dlcli.support.reporter import SILENT

_CARD = "model.json"


def repeat_train(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Check that the weights are those of the claimed row, and its accuracy on a tenth."""
    rows = record.result.get("rows", [])
    card = record.folder / _CARD
    if not card.is_file() or len(rows) != 1 or "accuracy" not in rows[0]:
        yield skipped("figures", "only a run of one network that predicts classes leaves what can be evaluated")
        return
    claimed = rows[0]
    recorded = json.loads(card.read_text(encoding="utf-8")).get("weights_sha256")
    yield same(f"SHA-256 of the weights, in {_CARD}", claimed["weights_sha256"], recorded)
    options = {"data": record.content["config"]["data"], "device": config.device, "trust_code": config.trust_code}
    loaded = open_model_and_data(EvalConfig(model=str(record.folder), **options), SILENT, look=False)
    split, share = loaded.split("test"), claimed["accuracy"]
    yield same("number of test images", share["n"], len(split.y))
    picked = a_tenth(len(split.y), config.seed)
    right = loaded.logits(split.x[picked]).argmax(-1) == split.y[picked]
    yield sampled_share("test accuracy", share["value"], len(split.y), int(right.sum()), len(picked))
