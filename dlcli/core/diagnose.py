"""Where the error comes from, by the ladder of splits (A. Ng, Structuring Machine Learning Projects, 2017; system 2).

Human error, train, train-dev, dev, test: each step down adds one cause to the error, so each gap measures that cause.

Which rungs are named: the largest gap whose interval lies above zero, and every other such gap at least half as large. Work
on a rung wins back its gap at most, so a rung half the size of another is still worth a try beside it and a smaller one is not
yet. Those named are ranked from the top of the ladder down, not by size, because a change to an upper rung (a bigger network
against bias) moves every gap below it.
"""

from collections.abc import Iterator, Mapping

from dlcli.core.stats import independent_difference
from dlcli.specs.diagnosis import RUNGS, SPLITS, Diagnosis, Move, Rung
from dlcli.specs.estimates import Estimate

_WORTH_NAMING = 0.5
"""The share of the largest gap from which on another is named beside it."""

_MOVES = {
    "avoidable bias": (
        ("a bigger network", "dlcli train --data {data} --model resnet-56"),
        ("train longer", "dlcli train --data {data} --model {model} --epochs 100"),
        ("another optimiser", "dlcli train --data {data} --model {model} --optimizer adamw"),
        ("another activation, over seeds", "dlcli train --data {data} --model {model} --with selu --versus baseline --seeds 5"),
    ),
    "variance": (
        ("more training data", "dlcli train --data MORE.npz --model {model}"),
        ("regularise", "dlcli train --data {data} --model {model} --label-smoothing 0.1"),
        ("average the weights over steps", "dlcli train --data {data} --model {model} --ema 0.999"),
        ("stop earlier", "dlcli train --data {data} --model {model} --epochs 5"),
    ),
    "data mismatch": (
        ("look at the mistakes on dev", "dlcli eval {run} --data {data} --split dev -o mistakes/"),
        ("training data more like dev", "dlcli train --data LIKE-DEV.npz --model {model}"),
        ("synthesise what dev has and train lacks", "dlcli train --data WITH-SYNTHETIC.npz --model {model}"),
    ),
    "overfitting to dev": (
        ("more dev data, and choose again by it", "dlcli eval {run} --data MORE-DEV.npz --split dev"),
        ("fewer choices by dev: the recipe as it came", "dlcli train --data {data} --model {model}"),
    ),
}
_TELL_APART = "dlcli eval {run} --data WITH-{split}.npz --diagnose"


def diagnose(
    human: float, errors: Mapping[str, Estimate], *, data: str = "DATA", model: str = "MODEL", run: str = "RUN"
) -> Diagnosis:
    """The ladder of `errors` (shares in [0, 1], by split, any subset of `SPLITS`) under the error `human`, taken as exact.

    Splits are independent samples, so gaps get Newcombe's interval. Where a split is missing, the gap across it belongs to
    all rungs it spans: it stands at the first of them, which names the others. `data`, `model` and `run` fill the commands.
    Raises ValueError for other splits, for none, or if `human` is outside [0, 1].
    """
    if not errors or not set(errors) <= set(SPLITS) or not 0 <= human <= 1:
        raise ValueError(f"errors of {', '.join(errors) or 'no split'} under a human error of {human}")
    known = {split: errors[split] for split in SPLITS if split in errors}
    rungs = tuple(_rungs(human, known))
    largest, named = _named(rungs)
    places = {"data": data, "model": model, "run": run}
    return Diagnosis(
        human=human,
        errors=known,
        rungs=rungs,
        largest=largest,
        named=named,
        missing=tuple(split for split in SPLITS if split not in known),
        moves=tuple(move for rung in rungs if rung.name in named for move in _moves(rung, places)),
    )


def _rungs(human: float, errors: Mapping[str, Estimate]) -> Iterator[Rung]:
    """All four, in order; a rung that another's gap covers, or that lies below the last split, is missing."""
    upper, above, waiting = "human", Estimate(human, human, human, 0), []
    for name, split in zip(RUNGS, SPLITS, strict=True):
        waiting.append(name)
        if split not in errors:
            continue
        gap = independent_difference(errors[split], above)
        status = "established" if gap.low > 0 else "reversed" if gap.high < 0 else "not established"
        yield Rung(name=waiting[0], status=status, upper=upper, lower=split, gap=gap, causes=tuple(waiting))
        yield from (Rung(name=covered, status="missing") for covered in waiting[1:])
        upper, above, waiting = split, errors[split], []
    yield from (Rung(name=left, status="missing") for left in waiting)


def _named(rungs: tuple[Rung, ...]) -> tuple[str, tuple[str, ...]]:
    gaps = {rung.name: rung.gap.value for rung in rungs if rung.gap is not None and rung.status == "established"}
    if not gaps:
        return "", ()
    largest = max(gaps, key=lambda name: gaps[name])
    return largest, tuple(name for name, gap in gaps.items() if gap >= _WORTH_NAMING * gaps[largest])


def _moves(rung: Rung, places: Mapping[str, str]) -> Iterator[Move]:
    for cause in rung.causes[1:]:
        split = SPLITS[RUNGS.index(cause) - 1]
        command = _TELL_APART.format(split=split.upper(), **places)
        yield Move(rung=rung.name, what=f"measure {split}, to tell {rung.name} from {cause}", command=command)
    for what, command in _MOVES[rung.name]:
        yield Move(rung=rung.name, what=what, command=command.format(**places))
