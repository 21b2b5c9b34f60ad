"""How easily a network is fooled, and whether an ensemble helps: the engine of `dlcli attack`."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.device import describe_device, fast_dtype, threads
from dlcli.core.compute.forward import predict_logits
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.stats import wilson
from dlcli.core.training.loop import resolve_threads
from dlcli.engines.attack.check_runs import seen
from dlcli.engines.attack.checks import findings
from dlcli.engines.attack.crafting import AdversarialSet, AttackRun, Correctness, to_channels_last
from dlcli.engines.attack.images import AttackedImages, pick_adversarial, save
from dlcli.engines.attack.networks import BASELINE, LoadedNetworks, Untrained
from dlcli.engines.attack.notes import NORM_NAMES, knowledge, norm_notes, notes
from dlcli.engines.attack.resume import PartialResults
from dlcli.engines.attack.rows import by_method, right_under, rows, rule_name
from dlcli.engines.attack.setup import AttackSetup, crafting_attack, has_setting, open_setup
from dlcli.engines.attack.targets import MODES, targets
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, ClassRow, Finding, MethodRow
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

FILES = ("adversarial.npz", "examples.png", "tsne.png", "report.html")
"""What is left in the output folder, tsne.png where the network has a last hidden layer; the command line adds run.json."""


def run(config: AttackConfig, *, report: Reporter = SILENT) -> AttackResult:
    """Train or open the networks, attack the test images, judge every network and rule on them, and doubt the result.

    Images are made on the baseline, a network of its own that is in no ensemble, and through the ensemble if there is one.
    Raises the kinds of `dlcli.support.errors`; with `config.output`, leaves the files of `FILES` in that folder. What was
    made is kept beside the output or `config.save` until the end, and an interrupted run goes on from there with `resume`.
    """
    setup = open_setup(config, report)
    recipe = setup.networks.recipe
    # Judging a small network loses time with more threads just as training it does.
    with nullcontext() if recipe is None else threads(resolve_threads(recipe)):
        return _run(setup)


def plan(config: AttackConfig) -> list[str]:
    """What `run` would do, a line each; opens the data and builds the network once, but trains and writes nothing."""
    setup = open_setup(config, SILENT)
    data, names = setup.data, ",".join(config.methods)
    shape = "x".join(map(str, data.x_test.shape[1:]))
    read = f"{data.name}: {len(data.x_train)} training and {len(data.x_test)} test images of {shape}"
    values = ", ".join(f"{eps:g}" for eps in setup.eps)
    lines = [
        f"read {read}, {len(data.classes)} classes",
        *_plan_networks(setup),
        f"attack {len(setup.x)} test images of {_whom(setup)} by {names} ({setup.norm}) at eps {values}",
    ]
    if config.save is not None:
        lines.append(f"write {config.save}")
    if config.output is not None:
        lines.append(f"write {', '.join(FILES)} in {config.output}")
    return lines


def _whom(setup: AttackSetup) -> str:
    if not setup.members:
        return f"the {BASELINE}"
    members = f"{setup.members} members through every rule"
    return members if setup.networks.baseline is None else f"the {BASELINE}, and {members}"


def _plan_networks(setup: AttackSetup) -> list[str]:
    """What is opened and what is trained, a line each."""
    networks = setup.networks
    both = [one for one in (networks.ensemble, networks.baseline) if one is not None]
    opened = [
        f"open {one.name} as trained (SHA-256 {one.sha256}) on {setup.device}" for one in both if not isinstance(one, Untrained)
    ]
    return [*opened, *_plan_training(setup)]


def _plan_training(setup: AttackSetup) -> list[str]:
    networks = setup.networks
    members = [f"{setup.members} bootstrapped members"] if isinstance(networks.ensemble, Untrained) else []
    both = [(networks.baseline, BASELINE)] if isinstance(networks.baseline, Untrained) else []
    found = [one for one in (networks.baseline, networks.ensemble) if isinstance(one, Untrained)]
    if not found:
        return []
    what = " and ".join([name for _, name in both] + members)
    return [
        f"train {found[0].name} for {count(found[0].recipe.epochs, 'epoch')} on {setup.device}: {what}; "
        f"any of them found in {cache_dir() / 'models'} is reused"
    ]


@dataclass(frozen=True)
class _Judged:
    """All images made, in the order of eps, the rows about them, and the one asked for."""

    clean: Correctness
    predicted: np.ndarray
    made: tuple[AdversarialSet, ...]
    rows: tuple[AttackRow, ...]
    headline: AttackRow

    def at(self, eps: float) -> list[AdversarialSet]:
        return [one for one in self.made if one.eps == eps]


def _run(setup: AttackSetup) -> AttackResult:
    config, knows = setup.config, _knows(setup)
    opened = time.perf_counter()
    loaded = setup.load_networks()
    started = time.perf_counter()
    attack_run = _attack_run(setup, loaded)
    judged = _judged(setup, attack_run, knows)
    found = findings(seen(attack_run, judged.clean, judged.predicted, judged.made))
    methods = _methods(setup, attack_run, judged)
    if loaded.reused:
        setup.report.note(f"reused {count(loaded.reused, 'network')} from the cache")
    result = AttackResult(
        method=",".join(config.methods),
        norm=setup.norm,
        eps=setup.eps,
        data=setup.data.name,
        model=setup.networks.attacked.name,
        model_sha256=loaded.sha256,
        n_images=len(setup.x),
        members=setup.members,
        rule=setup.networks.rule,
        reference=attack_run.reference if attack_run.reference == BASELINE else rule_name(attack_run.reference),
        threat_model=_threat_model(setup, knows, loaded.sha256),
        headline=judged.headline,
        rows=judged.rows,
        by_method=methods,
        per_class=_per_class(setup, judged),
        findings=found,
        trained=loaded.trained,
        reused=loaded.reused,
        seed=config.seed,
        device=describe_device(setup.device),
        seconds_training=started - opened if loaded.trained + loaded.reused else 0.0,
        seconds_attack=time.perf_counter() - started,
        notes=(*_opening_notes(setup), *notes(judged.rows, method=_spoken(config), knows=knows), *norm_notes(methods)),
        failed=_failed(config, judged.headline, found),
    )
    _leave(attack_run, result, judged)
    if attack_run.parts is not None:
        attack_run.parts.remove()
    return result


def _attack_run(setup: AttackSetup, loaded: LoadedNetworks) -> AttackRun:
    """The networks on the bench, what they are to be fooled into, and what an earlier run has made."""
    baseline = None if loaded.baseline is None else to_channels_last(loaded.baseline, setup.x, setup.device)
    members = [to_channels_last(one, setup.x, setup.device) for one in loaded.members]
    wanted = None if setup.config.target is None or baseline is None else _targets(setup, baseline)
    return AttackRun(setup, baseline, members, wanted, _parts(setup, [*([baseline] if baseline else []), *members]))


def _targets(setup: AttackSetup, model: nn.Module) -> Tensor:
    logits = predict_logits(model, setup.x, device=setup.device)
    return targets(setup.config.target or "", setup.data, setup.y, setup.output_of, logits, seed=setup.config.seed)


def _parts(setup: AttackSetup, networks: Sequence[nn.Module]) -> PartialResults | None:
    """Where what is made is kept until the end, if anything is left at all."""
    config = setup.config
    if config.output is None and config.save is None:
        return None
    folder = config.output / "parts" if config.output is not None else Path(f"{config.save}.parts")
    parts = PartialResults(folder, _determined_by(setup, networks))
    if not config.resume:
        parts.remove()
    return parts


def _determined_by(setup: AttackSetup, networks: Sequence[nn.Module]) -> dict[str, object]:
    """All that attacked images depend on besides the attack itself, in the terms of JSON."""
    config = setup.config
    return {
        "data": setup.data.fingerprint,
        "images": [config.limit, len(setup.x)],
        "target": config.target,
        "networks": combined_sha256([weights_sha256(one) for one in networks]),
        "surrogate": setup.origin,
        "norm": setup.norm,
        "seed": config.seed,
        "device": [setup.device.type, str(fast_dtype(setup.device)), torch.get_num_threads()],
        "torch": torch.__version__,
    }


def _judged(setup: AttackSetup, attack_run: AttackRun, knows: str) -> _Judged:
    clean, predicted = attack_run.judge(setup.x)
    made = {eps: attack_run.make_all(eps) for eps in setup.eps}
    found = [row for sets in made.values() for row in rows(clean, sets, knows)]
    return _Judged(
        clean, predicted, tuple(one for sets in made.values() for one in sets), tuple(found), _headline(setup, found)
    )


def _methods(setup: AttackSetup, attack_run: AttackRun, judged: _Judged) -> tuple[MethodRow, ...]:
    """Each method alone; a minimum-norm method also looks for the nearest images, whatever eps is."""
    norms = {one.name: attack_run.norms(one) for one in setup.attacks if isinstance(one, MinimumNorm)}
    return tuple(row for eps in setup.eps for row in by_method(judged.at(eps), norms))


def _knows(setup: AttackSetup) -> str:
    """What the best informed of the attacks knows, as rows call it."""
    asked = {one.knowledge for one in setup.attacks}
    if "gradients" in asked:
        return "white-box"
    if asked - {"nothing"}:
        return "black-box"
    return "transfer" if any(isinstance(one, Transfer) for one in setup.attacks) else "control"


def _headline(setup: AttackSetup, found: Sequence[AttackRow]) -> AttackRow:
    """The row of the rule asked for against the strongest attacker, or of the baseline, at the largest eps."""
    wanted = rule_name(setup.networks.rule) if setup.members else BASELINE
    own = [row for row in found if row.classifier == wanted]
    return max(own, key=lambda row: (row.eps, row.threat == "worst-case"))


def _threat_model(setup: AttackSetup, knows: str, sha256: str) -> str:
    values = ", ".join(f"{eps:g}" for eps in setup.eps)
    by = ", ".join(_settings(one, setup.origin) for one in setup.attacks)
    known = knowledge(knows, ensemble=bool(setup.members), transfer=setup.networks.baseline is not None)
    aim = "" if setup.config.target is None else f"; target: {_aim(setup.config.target)}"
    images = f"n {len(setup.x)}, seed {setup.config.seed}, model {sha256[:12]}"
    return f"{NORM_NAMES[setup.norm]}, eps {values}, bounds 0 to 1; attacker knows {known}; by {by}{aim}; {images}"


def _aim(target: str) -> str:
    return f"{target} class" if target in MODES else f"class {target}"


def _settings(attack: Attack, origin: str) -> str:
    """`pgd (steps 40, restarts 1)`; of `transfer`, by which attack and on which network too."""
    made = crafting_attack(attack)
    shown = [f"{name} {getattr(made, name)}" for name in ("steps", "restarts", "queries") if has_setting(made, name)]
    if isinstance(attack, Transfer):
        shown = [origin] if attack.saved is not None else [origin, made.name, *shown]
    return f"{attack.name} ({', '.join(shown)})" if shown else attack.name


def _per_class(setup: AttackSetup, judged: _Judged) -> tuple[ClassRow, ...]:
    top, y = judged.headline, setup.y.numpy()
    clean, attacked, _ = right_under(judged.clean, judged.at(top.eps), top.classifier, top.threat)
    return tuple(
        ClassRow(
            name=setup.outputs[label],
            clean=wilson(float(clean[y == label].sum()), int((y == label).sum())),
            adversarial=wilson(float(attacked[y == label].sum()), int((y == label).sum())),
        )
        for label in np.unique(y).tolist()
    )


def _opening_notes(setup: AttackSetup) -> tuple[str, ...]:
    """What was done to make trained networks and the images fit."""
    return tuple(note if note.endswith(".") else f"{note}." for note in setup.notes)


def _spoken(config: AttackConfig) -> str:
    return " and ".join(config.methods)


def _failed(config: AttackConfig, headline: AttackRow, found: Sequence[Finding]) -> str:
    if config.fail_under is None:
        return ""
    metric, bound = config.fail_under
    figure = headline.clean if metric == "clean" else headline.adversarial
    if figure.value < bound:
        return f"{metric} accuracy of the {headline.classifier} at eps {headline.eps:g} is {figure}, below {bound:g}"
    if metric == "robust" and found:
        return f"robust accuracy {figure} cannot be trusted: {found[0].check}: {found[0].seen}"
    return ""


def _leave(attack_run: AttackRun, result: AttackResult, judged: _Judged) -> None:
    """The files that were asked for."""
    config = attack_run.setup.config
    if config.save is None and config.output is None:
        return
    shown = _images(attack_run.setup, judged)
    if config.save is not None:
        save(config.save, shown)
    if config.output is not None:
        # Here, since they bring matplotlib.
        from dlcli.engines.attack.hidden_layer import add_hidden_features
        from dlcli.engines.attack.report import write

        model = attack_run.network(attack_run.reference)
        write(config.output, result, add_hidden_features(shown, judged.headline.eps, model, attack_run.setup.device))


def _images(setup: AttackSetup, judged: _Judged) -> AttackedImages:
    """The images made through the reference network; of several methods, for each image one that fools it, if any does."""
    picked = {eps: pick_adversarial(judged.at(eps)) for eps in setup.eps}
    return AttackedImages(
        clean=setup.x.numpy(),
        labels=setup.y.numpy(),
        predicted_clean=judged.predicted,
        adversarial={eps: images for eps, (images, _) in picked.items()},
        predicted={eps: predicted for eps, (_, predicted) in picked.items()},
        classes=setup.outputs,
    )
