"""The threat model of a result of `dlcli attack` in words: what may change, by how much, and who changes it."""

from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.engines.attack.notes import NORM_NAMES, attacker_knowledge
from dlcli.engines.attack.setup import AttackSetup, crafting_attack, has_setting
from dlcli.engines.attack.targets import MODES
from dlcli.specs.attack import ThreatKind


def baseline_threat(setup: AttackSetup) -> ThreatKind:
    """What the best informed of the attacks uses of a single network."""
    used = {one.knowledge for one in setup.attacks}
    if "gradients" in used:
        return ThreatKind.WHITE_BOX
    if used - {"nothing"}:
        return ThreatKind.BLACK_BOX
    transfer = any(isinstance(one, Transfer) for one in setup.attacks)
    return ThreatKind.TRANSFER if transfer else ThreatKind.CONTROL


def threat_model(setup: AttackSetup, threat: ThreatKind, sha256: str) -> str:
    """What fixes an accuracy under attack: norm, eps, the attacker's knowledge, the attacks, and the images.

    Args:
        setup: The run.
        threat: That of a single network.
        sha256: The SHA-256 of the weights.
    """
    values = ", ".join(f"{eps:g}" for eps in setup.eps)
    by = ", ".join(_describe_attack(one, setup.origin) for one in setup.attacks)
    known = attacker_knowledge(threat, ensemble=bool(setup.members), transfer=setup.networks.baseline is not None)
    target = "" if setup.config.target is None else f"; target: {_describe_target(setup.config.target)}"
    images = f"n {len(setup.x)}, seed {setup.config.seed}, model {sha256[:12]}"
    return f"{NORM_NAMES[setup.norm]}, eps {values}, bounds 0 to 1; attacker knows {known}; by {by}{target}; {images}"


def _describe_target(target: str) -> str:
    return f"{target} class" if target in MODES else f"class {target}"


def _describe_attack(attack: Attack, origin: str) -> str:
    """`pgd (steps 40, restarts 1)`; for `transfer` also the attack and the network that it ran on."""
    made = crafting_attack(attack)
    shown = [f"{name} {getattr(made, name)}" for name in ("steps", "restarts", "queries") if has_setting(made, name)]
    if (size := getattr(made, "step_size", None)) is not None:
        shown.append(f"step size {size:g}")
    if isinstance(attack, Transfer):
        shown = [origin] if attack.saved is not None else [origin, made.name, *shown]
    return f"{attack.name} ({', '.join(shown)})" if shown else attack.name
