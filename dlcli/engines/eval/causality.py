"""The engine of `dlcli eval --prove-causal`."""

import time

from dlcli.core.compute.device import choose_device
from dlcli.core.data.base import ImageData
from dlcli.core.evaluation.causality import MOST_STEPS, Causality, prove_causal
from dlcli.engines.eval.summary import untrained
from dlcli.engines.model_and_data import open_model_and_data, read
from dlcli.engines.sequences import longest_sequence
from dlcli.specs.eval import EvalConfig
from dlcli.specs.sequences import CausalityResult
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive


def prove_network(config: EvalConfig, report: Reporter) -> CausalityResult:
    """Whether a network of sequences looks ahead, and its field. Raises the kinds of `dlcli.support.errors`."""
    started = time.perf_counter()
    if config.model is None and config.arch is not None:
        data = read(config, report)
        model, arch = untrained(config, config.arch, data, choose_device("cpu"))
        name, sha256, notes = arch.name, "", (*arch.notes, "The network is untrained.")
    else:
        loaded = open_model_and_data(config, report, look=False)
        data, model, trained = loaded.data, loaded.trained.model, loaded.trained
        name, sha256, notes = trained.name, trained.sha256, trained.notes
    x = longest_sequence(data)
    found = prove_causal(model, x, seed=derive(config.seed, "causality"))
    rate = data.steps.rate
    return CausalityResult(
        data=data.name,
        model=name,
        model_sha256=sha256,
        **{key: value for key, value in found._asdict().items()},
        seconds_of_field=None if rate is None or found.field is None else found.field / rate,
        seed=config.seed,
        seconds=time.perf_counter() - started,
        notes=(*_notes(found, data), *notes),
        failed=found.verdict,
    )


def _notes(found: Causality, data: ImageData) -> tuple[str, ...]:
    notes = [
        f"Inputs were replaced from {found.places} steps on, one after the other, in float64, on a sequence of {found.steps}."
    ]
    if not found.by_step:
        notes.append("The network has no output for each step, so the outputs of its layers were compared.")
    if found.steps == MOST_STEPS:
        notes.append(f"The sequence was cut to {MOST_STEPS:,} steps.")
    if found.field is not None and data.steps.rate is not None:
        notes.append(f"The field of {count(found.field, 'step')} is {found.field / data.steps.rate:.3g} seconds.")
    return tuple(notes)
