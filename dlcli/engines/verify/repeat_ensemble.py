"""Ensembles: the members of the directory are combined again on a tenth of the test images."""

from collections.abc import Iterator

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.model_io.trained import open_trained
from dlcli.engines.ensemble.members import open_setup
from dlcli.engines.verify.claims import RunRecord, a_tenth, same, sampled_share, skipped, whole_share
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.verify import Check, VerifyConfig
from dlcli.support.reporter import SILENT


def repeat_ensemble(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Check that the members are those of the result, and the accuracy of their rule on a tenth."""
    claimed = record.result.get("headline")
    if not claimed or "accuracy" not in claimed:
        yield skipped("figures", "only an ensemble of networks that predict classes leaves what can be evaluated")
        return
    device = choose_device(config.device)
    given = record.config(EnsembleConfig, device=config.device, trust_code=config.trust_code)
    data = open_setup(given, SILENT).data
    saved = open_trained(str(record.folder), data, device=device)
    yield same("rule", record.result["rule"], given.rule)
    yield same("number of members", claimed["members"], len(saved.members))
    yield same("SHA-256 of the members", record.result["model_sha256"], saved.sha256)
    yield same("number of test images", claimed["accuracy"]["n"], len(data.y_test))
    if given.group is None:
        yield whole_share("interval of the test accuracy", claimed["accuracy"])
    picked = a_tenth(len(data.y_test), config.seed)
    right = predict_logits(saved.model, data.x_test[picked], device=device).argmax(-1) == data.y_test[picked]
    yield sampled_share("test accuracy", claimed["accuracy"]["value"], len(data.y_test), int(right.sum()), len(picked))
