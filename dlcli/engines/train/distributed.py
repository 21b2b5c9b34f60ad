"""`dlcli train` in the processes that torchrun starts: what they can train together, and that only the first one reports."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from dlcli.core.compute.ranks import current_ranks
from dlcli.core.tasks import is_of_images
from dlcli.engines.other_options import other_options
from dlcli.engines.train.job import FOLLOW, Job, describe
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.launch import launched
from dlcli.support.reporter import SILENT, Reporter, Task

_ONE = "start dlcli without torchrun"


def check_launch(config: TrainConfig) -> None:
    """Raise UsageError if several processes cannot train what `config` asks for together."""
    if launched().size == 1:
        return
    inapplicable: Mapping[str, bool] = {
        f"`task={config.task}`": not is_of_images(config.task),
        "`semi`": bool(semi_chosen(config.semi)),
        "`pretrain`": config.pretrain != NO_PRETRAINING or config.pretrain_only,
    }
    for option, given in inapplicable.items():
        if given:
            raise UsageError(f"{option}: several processes cannot train this together", hint=_ONE)
    if config.compares:
        message = "several processes train one network together, and a comparison trains several networks"
        raise UsageError(message, hint=f"{_ONE}; `workers` trains several networks at a time")


def check_alike(job: Job) -> None:
    """Raise InputError if another process of torchrun would train something else: other data, or with other software."""
    facts, ranks = describe(job), current_ranks()
    for rank, found in enumerate(ranks.of_each(facts)):
        if found != facts:
            other = other_options(found, facts, job.config, FOLLOW)
            message = f"processes {ranks.rank} and {rank} of torchrun do not train the same: the latter has {other}"
            raise InputError(message, hint="all machines need the same data, versions and kind of device")


def heard(report: Reporter) -> Reporter:
    """`report` in the first process; in the others one that reports nothing, but sees when to stop."""
    return _Quiet(report) if launched().rank > 0 else report


class _Quiet:
    def __init__(self, report: Reporter) -> None:
        self.stoppable: Callable[[], AbstractContextManager[Callable[[], bool]]] = report.stoppable

    def note(self, text: str) -> None:
        """Report nothing."""

    def warn(self, text: str) -> None:
        """Report nothing."""

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        """Show nothing."""
        with SILENT.task(label, total) as task:
            yield task

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        """Log nothing."""
