"""Attacks: the figures follow from the images that the run left, and a tenth of these are classified again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.attacks.norms import NORMS
from dlcli.core.compute.forward import predict_logits
from dlcli.core.corruptions.all import CORRUPTIONS
from dlcli.core.corruptions.base import corrupt
from dlcli.core.ensembles.combine import RuleModel
from dlcli.core.grouped import share_of
from dlcli.engines.attack.array_names import saved_name
from dlcli.engines.attack.corruption_figures import Answers, by_corruption, by_severity, mean_error
from dlcli.engines.attack.corruptions import chosen
from dlcli.engines.attack.intervals import Intervals
from dlcli.engines.attack.setup import AttackSetup, open_setup
from dlcli.engines.verify.claims import RunRecord, a_tenth, estimate, examined, repeated_labels, same, skipped
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruptions import METHOD, SEVERITIES
from dlcli.specs.estimates import Estimate
from dlcli.specs.gate import FailUnder, gate
from dlcli.specs.verify import Check, Verdict, VerifyConfig
from dlcli.support.reporter import SILENT

ADVERSARIAL, CORRUPTED = "adversarial.npz", "corruptions.npz"
"""What an attack and what corruptions leave."""

Arrays = Mapping[str, np.ndarray]
Index = np.ndarray
_ROUNDING = 1e-5
"""By so much a stored change may exceed eps, for images are of float32."""

_AT_ONCE = 256
"""Images in memory in double precision at a time."""


def repeat_attack(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Count the accuracies again, and classify a tenth of the images."""
    if not {"members", "mean_error"} & record.result.keys():
        yield skipped("figures", "only attacks on networks that classify images leave what can be checked")
        return
    with np.load(record.folder / (CORRUPTED if record.result["method"] == METHOD else ADVERSARIAL)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    setup = open_setup(record.config(AttackConfig, device=config.device, trust_code=config.trust_code), SILENT)
    loaded = setup.load_networks()
    yield same("SHA-256 of the network", record.result["model_sha256"], loaded.sha256)
    seen = examined(record, len(setup.x))
    yield same("number of images", [record.result["n_images"], len(arrays["y"])], [len(seen)] * 2)
    yield same("labels that are those of the data", len(seen), int((arrays["y"] == setup.y.numpy()[seen]).sum()))
    work = _Work(record.result, arrays, setup, seen, a_tenth(len(seen), config.seed))
    rule = setup.networks.rule if METHOD in setup.config.methods else setup.networks.reference
    # Of an ensemble without a surrogate the images are those of the mean rule.
    of_rule = bool(rule) if METHOD in setup.config.methods else loaded.baseline is None
    model = RuleModel(loaded.members, rule) if of_rule else _of(loaded.baseline)
    clean = setup.x[seen][work.picked]
    yield _again("labels of a tenth of the clean images", model, clean, arrays["predicted_clean"][work.picked], setup)
    if METHOD in setup.config.methods:
        yield from _corrupted(work, model)
    else:
        yield from _adversarial(work, model)
        yield from _gate(record.result, record.options.get("fail_under"))


@dataclass(frozen=True)
class _Work:
    """What was recorded and left, and what it is compared with.

    Attributes:
        result: The result of the record.
        arrays: What the run left.
        setup: Its data and networks, opened again.
        seen: Which images it attacked, (n,).
        picked: Which of these are classified again, (m,).
    """

    result: Mapping[str, Any]
    arrays: Arrays
    setup: AttackSetup
    seen: Index
    picked: Index

    @property
    def group(self) -> Index | None:
        """The group of each attacked image."""
        return None if self.setup.group is None else self.setup.group[self.seen]

    @property
    def intervals(self) -> Intervals:
        """How the run made intervals."""
        return Intervals(len(self.setup.x) if len(self.seen) < len(self.setup.x) else None, self.group)

    def right(self, name: str) -> np.ndarray:
        """Whether each image is classified as its label: `clean`, or by eps."""
        found: np.ndarray = (self.arrays[f"predicted_{name}"] == self.arrays["y"]).astype(np.float64)
        return found


def _of(model: nn.Module | None) -> nn.Module:
    if model is None:
        raise TypeError("a network or the members of an ensemble")
    return model


def _adversarial(work: _Work, model: nn.Module) -> Iterator[Check]:
    result, setup = work.result, work.setup
    names = [(kind, one) for kind in ("x", "predicted") for one in result["eps"]]
    by_eps = {f"{kind}_{one:g}": work.arrays[saved_name(work.arrays, kind, one)] for kind, one in names}
    work = replace(work, arrays={**work.arrays, **by_eps})
    yield same("methods", result["method"], ",".join(setup.config.methods))
    yield same("norm", result["norm"], setup.norm)
    yield same("eps", list(result["eps"]), list(setup.eps))
    if not result["members"]:
        yield from _figures(work)
    clean = work.arrays["x_clean"]
    yield _changes("clean images", clean, setup.x.numpy()[work.seen], "linf", 0.0)
    for value in result["eps"]:
        name = f"{value:g}"
        yield _changes(f"changes at eps {name}", work.arrays[f"x_{name}"], clean, result["norm"], value)
        images = torch.from_numpy(work.arrays[f"x_{name}"][work.picked])
        yield _again(f"labels of a tenth at eps {name}", model, images, work.arrays[f"predicted_{name}"][work.picked], setup)


def _gate(result: Mapping[str, Any], fail_under: FailUnder | None) -> Iterator[Check]:
    """Whether the gate fails by the headline, or since the attack was weak; of a run that stopped early that is not known."""
    wanted, stopped = gate(fail_under), result["stopped"]
    if stopped and stopped["seen"] < stopped["total"]:
        return
    fails = wanted is not None and (
        wanted.fails(Estimate(**result["headline"]["clean" if wanted.metric == "clean" else "adversarial"]))
        or (wanted.metric == "robust" and bool(result["findings"]))
    )
    yield same("gate", "failed" if result["failed"] else "passed", "failed" if fails else "passed")


def _figures(work: _Work) -> Iterator[Check]:
    """The accuracies of a single network: of the headline, each eps, each class at the largest, and each method."""
    result, largest = work.result, f"{work.result['headline']['eps']:g}"
    clean = work.intervals.share(work.right("clean"))
    for what, row in [("", result["headline"]), *((f" at eps {row['eps']:g}", row) for row in result["rows"])]:
        yield estimate(f"robust accuracy{what}", row["adversarial"], work.intervals.share(work.right(f"{row['eps']:g}")))
        yield estimate(f"clean accuracy{what}", row["clean"], clean)
    for row in result["per_class"]:
        inside = work.arrays["y"] == work.setup.outputs.index(row["name"])
        for kind, name in (("clean", "clean"), ("adversarial", largest)):
            found = share_of(work.right(name)[inside], None if work.group is None else work.group[inside])
            yield estimate(f"{kind} accuracy of class {row['name']}", row[kind], found)
    yield from _methods(work)


def _methods(work: _Work) -> Iterator[Check]:
    """The accuracy that a method left: of a single one that of all, of several no less, since any may fool an image."""
    for row in work.result["by_method"]:
        left = work.intervals.share(work.right(f"{row['eps']:g}"))
        what, claimed = f"{row['method']} at eps {row['eps']:g}", row["adversarial"]
        if "," not in work.result["method"]:
            yield estimate(what, claimed, left)
            continue
        verdict = Verdict.REFUSED if claimed["value"] < left.value - _ROUNDING else Verdict.CLOSE
        yield Check(what=what, claimed=f"{claimed['value']:.6g}", found=f"at least {left.value:.6g}", verdict=verdict)


def _changes(what: str, images: np.ndarray, clean: np.ndarray, norm: str, eps: float) -> Check:
    """Whether the change of every image is within eps."""
    longest = 0.0
    for start in range(0, len(images), _AT_ONCE):
        changed, usual = (torch.from_numpy(one[start : start + _AT_ONCE]).double() for one in (images, clean))
        longest = max(longest, float(NORMS[norm].length(changed - usual).max()))
    inside = longest <= eps * (1 + _ROUNDING) + _ROUNDING
    verdict = Verdict.SAME if inside else Verdict.REFUSED
    return Check(what=what, claimed=f"differ by {eps:g} at most", found=f"{longest:.6g}", verdict=verdict)


def _again(what: str, model: nn.Module, images: Tensor, claimed: np.ndarray, setup: AttackSetup) -> Check:
    logits = predict_logits(model, images, device=setup.device)
    return repeated_labels(what, claimed.tolist(), logits.argmax(-1).tolist(), logits.numpy(), tie=1e-3)


def _corrupted(work: _Work, model: nn.Module) -> Iterator[Check]:
    result, arrays, setup = work.result, work.arrays, work.setup
    names = list(dict.fromkeys(arrays["corruptions"].tolist()))
    answers = Answers(arrays["predicted_clean"] == arrays["y"], arrays["predicted"] == arrays["y"], work.group)
    yield same("corruptions", [row["corruption"] for row in result["by_corruption"]], names)
    yield same("corruptions of the options", names, list(chosen(setup.config)))
    yield estimate("mean error", result["mean_error"], mean_error(answers))
    yield estimate("clean accuracy", result["clean"], share_of(answers.clean, work.group))
    for row, error in zip(result["by_corruption"], by_corruption(names, answers, None), strict=True):
        yield estimate(f"error under {error.corruption}", row["error"], error.error)
    rows = list(by_severity(names, answers, None))
    applied = [(one.corruption, one.severity) for one in rows]
    yield same("severities", [(row["corruption"], row["severity"]) for row in result["rows"]], applied)
    for row, found in zip(result["rows"], rows, strict=True):
        yield estimate(f"accuracy under {found.corruption} {found.severity}", row["accuracy"], found.accuracy)
    yield from _corrupted_again(work, model)


def _corrupted_again(work: _Work, model: nn.Module) -> Iterator[Check]:
    """Corrupt a tenth of the images again, a fifth of them by each severity."""
    setup = work.setup
    parts = [(place, severity, work.picked[place :: len(SEVERITIES)]) for place, severity in enumerate(SEVERITIES)]
    parts = [part for part in parts if len(part[-1])]
    for k, name in enumerate(work.arrays["corruptions"].tolist()):
        images = [
            corrupt(name, CORRUPTIONS[name], setup.x[some], severity, setup.places[some].tolist(), setup.config.seed)
            for _, severity, some in parts
        ]
        claimed = np.concatenate([work.arrays["predicted"][k, place][some] for place, _, some in parts])
        yield _again(f"labels of a tenth, {name}", model, torch.cat(images), claimed, setup)
