"""Attacks: the figures follow from the images that the run left, and a tenth of these are classified again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.attacks.norms import NORMS
from dlcli.core.compute.forward import predict_logits
from dlcli.core.corruptions.all import CORRUPTIONS
from dlcli.core.corruptions.base import corrupt
from dlcli.core.ensembles.combine import RuleModel
from dlcli.engines.attack.array_names import saved_name
from dlcli.engines.attack.setup import AttackSetup, open_setup
from dlcli.engines.verify.claims import RunRecord, a_tenth, hashed, number, repeated_labels, same, skipped
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruptions import METHOD, SEVERITIES
from dlcli.specs.verify import Check, Verdict, VerifyConfig
from dlcli.support.reporter import SILENT

Arrays = Mapping[str, np.ndarray]
Index = np.ndarray
_ROUNDING = 1e-5
"""By so much a stored change may exceed eps, for images are of float32."""

_AT_ONCE = 256
"""Images in memory in double precision at a time."""


def repeat_attack(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Count the accuracies again, and classify a tenth of the images."""
    path = record.folder / ("corruptions.npz" if record.result.get("method") == METHOD else "adversarial.npz")
    if not path.is_file() or not {"members", "mean_error"} & record.result.keys():
        yield skipped("figures", "only attacks on networks that classify images leave what can be checked")
        return
    yield hashed(record, path.name)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    setup = open_setup(record.config(AttackConfig, device=config.device, trust_code=config.trust_code), SILENT)
    loaded = setup.load_networks()
    yield same("SHA-256 of the network", record.result["model_sha256"], loaded.sha256)
    picked = a_tenth(len(arrays["y"]), config.seed)
    if METHOD in setup.config.methods:
        rule = setup.networks.rule
        yield from _corrupted(record, arrays, setup, RuleModel(loaded.members, rule) if rule else _of(loaded.baseline), picked)
    else:
        # Of an ensemble without a surrogate the images are those of the mean rule.
        model = RuleModel(loaded.members, setup.networks.reference) if loaded.baseline is None else loaded.baseline
        yield from _adversarial(record, arrays, setup, model, picked)


def _of(model: nn.Module | None) -> nn.Module:
    if model is None:
        raise TypeError("a network or the members of an ensemble")
    return model


def _adversarial(
    record: RunRecord, arrays: Arrays, setup: AttackSetup, model: nn.Module, picked: np.ndarray
) -> Iterator[Check]:
    result, eps = record.result, record.result["headline"]["eps"]
    by_eps = {f"{kind}_{one:g}": arrays[saved_name(arrays, kind, one)] for kind in ("x", "predicted") for one in result["eps"]}
    arrays = {**arrays, **by_eps}
    yield same("number of images", result["n_images"], len(arrays["y"]))
    yield same("methods", result["method"], ",".join(setup.config.methods))
    yield same("norm", result["norm"], setup.norm)
    yield same("eps", list(result["eps"]), list(setup.eps))
    if not result["members"] and setup.config.target is None:
        right = arrays[f"predicted_{eps:g}"] == arrays["y"]
        yield number("robust accuracy", result["headline"]["adversarial"]["value"], float(right.mean()))
        clean = arrays["predicted_clean"] == arrays["y"]
        yield number("clean accuracy", result["headline"]["clean"]["value"], float(clean.mean()))
        yield from _rows(result, arrays)
        yield from _classes(result, arrays, setup.outputs)
        yield from _methods(result, arrays)
    yield _clean_images(arrays["x_clean"], setup.x, picked)
    for value in result["eps"]:
        name = f"{value:g}"
        yield _within(arrays[f"x_{name}"], arrays["x_clean"], result["norm"], value)
        images = torch.from_numpy(arrays[f"x_{name}"][picked])
        yield _again(f"labels of a tenth at eps {name}", model, images, arrays[f"predicted_{name}"][picked], setup)


def _rows(result: Mapping[str, Any], arrays: Arrays) -> Iterator[Check]:
    """The accuracies of each eps of a single network."""
    clean = float((arrays["predicted_clean"] == arrays["y"]).mean())
    for row in result["rows"]:
        name = f"{row['eps']:g}"
        right = arrays[f"predicted_{name}"] == arrays["y"]
        yield number(f"robust accuracy at eps {name}", row["adversarial"]["value"], float(right.mean()))
        yield number(f"clean accuracy at eps {name}", row["clean"]["value"], clean)


def _classes(result: Mapping[str, Any], arrays: Arrays, outputs: Sequence[str]) -> Iterator[Check]:
    """The accuracies of each class at the largest eps."""
    y, name = arrays["y"], f"{result['headline']['eps']:g}"
    right = {"clean": arrays["predicted_clean"] == y, "adversarial": arrays[f"predicted_{name}"] == y}
    for row in result["per_class"]:
        inside = y == outputs.index(row["name"])
        for kind, found in right.items():
            yield number(f"{kind} accuracy of class {row['name']}", row[kind]["value"], float(found[inside].mean()))


def _methods(result: Mapping[str, Any], arrays: Arrays) -> Iterator[Check]:
    """The accuracy that a method left: of a single one that of all, of several no less, since any may fool an image."""
    for row in result["by_method"]:
        left = float((arrays[f"predicted_{row['eps']:g}"] == arrays["y"]).mean())
        what, claimed = f"{row['method']} at eps {row['eps']:g}", row["adversarial"]["value"]
        if "," not in result["method"]:
            yield number(what, claimed, left)
            continue
        verdict = Verdict.REFUSED if claimed < left - _ROUNDING else Verdict.CLOSE
        yield Check(what=what, claimed=f"{claimed:.6g}", found=f"at least {left:.6g}", verdict=verdict)


def _clean_images(stored: np.ndarray, x: Tensor, picked: Index) -> Check:
    """Whether a tenth of the clean images are images of the data."""
    known = {one.numpy().tobytes() for one in x}
    found = sum(stored[k].tobytes() in known for k in picked)
    return same("clean images of a tenth that are in the data", len(picked), found)


def _within(images: np.ndarray, clean: np.ndarray, norm: str, eps: float) -> Check:
    """Whether the change of every image is within eps."""
    longest = 0.0
    for start in range(0, len(images), _AT_ONCE):
        changed, usual = (torch.from_numpy(one[start : start + _AT_ONCE]).double() for one in (images, clean))
        longest = max(longest, float(NORMS[norm].length(changed - usual).max()))
    inside = longest <= eps * (1 + _ROUNDING) + _ROUNDING
    verdict = Verdict.SAME if inside else Verdict.REFUSED
    return Check(what=f"changes at eps {eps:g}", claimed=f"at most {eps:g}", found=f"{longest:.6g}", verdict=verdict)


def _again(what: str, model: nn.Module, images: Tensor, claimed: np.ndarray, setup: AttackSetup) -> Check:
    logits = predict_logits(model, images, device=setup.device)
    return repeated_labels(what, claimed.tolist(), logits.argmax(-1).tolist(), logits.numpy(), tie=1e-3)


def _corrupted(record: RunRecord, arrays: Arrays, setup: AttackSetup, model: nn.Module, picked: Index) -> Iterator[Check]:
    yield same("number of images", record.result["n_images"], len(setup.x))
    errors = arrays["predicted"] != arrays["y"]
    yield number("mean error", record.result["mean_error"]["value"], float(errors.mean()))
    clean = arrays["predicted_clean"] == arrays["y"]
    yield number("clean accuracy", record.result["clean"]["value"], float(clean.mean()))
    yield from _corruption_rows(record.result, arrays, ~errors)
    yield same("true labels of a tenth", arrays["y"][picked].tolist(), setup.y[picked].tolist())
    places = setup.places[picked].tolist()
    for k, name in enumerate(arrays["corruptions"].tolist()):
        severity = SEVERITIES[k % len(SEVERITIES)]
        images = corrupt(name, CORRUPTIONS[name], setup.x[picked], severity, places, setup.config.seed)
        claimed = arrays["predicted"][k, SEVERITIES.index(severity)][picked]
        yield _again(f"labels of a tenth, {name} {severity}", model, images, claimed, setup)


def _corruption_rows(result: Mapping[str, Any], arrays: Arrays, right: np.ndarray) -> Iterator[Check]:
    """The accuracies of each corruption and severity, and the error of each corruption; `right` is (kinds, severities, n)."""
    names = list(dict.fromkeys(arrays["corruptions"].tolist()))
    accuracies = {(name, one): right[k, place] for k, name in enumerate(names) for place, one in enumerate(SEVERITIES)}
    yield same("corruptions", [row["corruption"] for row in result["by_corruption"]], names)
    yield same("severities", [(row["corruption"], row["severity"]) for row in result["rows"]], list(accuracies))
    for row in result["by_corruption"]:
        found = float(1 - right[names.index(row["corruption"])].mean())
        yield number(f"error under {row['corruption']}", row["error"]["value"], found)
    for row in result["rows"]:
        found = float(accuracies[row["corruption"], row["severity"]].mean())
        yield number(f"accuracy under {row['corruption']} {row['severity']}", row["accuracy"]["value"], found)
