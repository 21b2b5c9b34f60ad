"""Whether the networks of a training look ahead, before they are trained: `dlcli train --prove-causal`."""

from collections.abc import Iterable

from dlcli.core.evaluation.causality import prove_causal
from dlcli.engines.sequences import longest_sequence
from dlcli.engines.train.job import Job, build
from dlcli.support.errors import CheckFailedError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive


def require_causal(jobs: Iterable[Job], report: Reporter) -> None:
    """Prove with `prove_causal` that the untrained networks of all sides are causal; a note goes to `report`.

    Raises CheckFailedError, naming the first layer that looks ahead, and the kinds that `prove_causal` raises.
    """
    for job in jobs:
        if not job.config.prove_causal:
            continue
        found = prove_causal(build(job).model, longest_sequence(job.data), seed=derive(job.seed, "causality"))
        if found.verdict:
            hint = "pad convolutions on the left only, or omit `prove_causal`"
            raise CheckFailedError(f"{job.arch.name}: {found.verdict}", hint=hint)
        field = "all steps" if found.field is None else count(found.field, "step")
        report.note(f"{job.arch.name} is causal: no output depends on later inputs, and the last one on {field}")
