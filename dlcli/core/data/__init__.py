"""Where examples come from: a registry; each module claims some specs and loads them."""

from typing import TYPE_CHECKING

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry
from dlcli.support.reporter import SILENT, Reporter

if TYPE_CHECKING:
    from dlcli.core.data.base import ImageData, Sampling

SOURCES = Registry("data source", "dlcli.core.data.sources")


def open_data(
    spec: str,
    *,
    strict: bool = False,
    report: Reporter = SILENT,
    size: int | None = None,
    limit: int | None = None,
    sampling: "Sampling | None" = None,
    unlabelled: bool = False,
    option: str = "--data",
) -> "ImageData":
    """Load what `spec` names into memory; asks each module of this package whether it claims `spec`.

    `strict` refuses an image that cannot be read, else `report` is told and it is left out. `size` brings every image to
    that height and width; `limit` keeps at most so many examples of each set, every class among them while it lasts.
    `sampling` says which frames of videos are taken; without it, videos are refused. `unlabelled` takes files without labels
    too. `option` is for messages.
    Raises UsageError if no module claims `spec`, `size` or `limit` is below 1, or the data are videos that are not wanted or
    images that `sampling` asks something of, InputError if the data cannot be used,
    and ResourceError if it does not fit into memory or cannot be had.
    """
    from dlcli.core.data import base, resize

    for name, value in (("--size", size), ("--limit", limit)):
        if value is not None and value < 1:
            raise UsageError(f"{name}: {value} is below 1")
    modules = [SOURCES.module(name) for name in SOURCES.names()]
    # A name stands for what it names even where a folder is called the same; ./NAME is the folder.
    for module in sorted(modules, key=lambda module: getattr(module, "ASKED_LAST", False)):
        if module.claims(spec):
            options = base.LoadOptions(
                strict=strict, report=report, size=size, limit=limit, sampling=sampling, unlabelled=unlabelled, option=option
            )
            data = resize.resize_images(resize.limit_examples(module.load(spec, options), limit), size)
            _check_sampling(data, sampling)
            return data
    kinds = ", or ".join(module.DESCRIPTION for module in modules if module.DESCRIPTION)
    raise UsageError(f"{option}: '{spec}' is no kind of data and no folder that exists", hint=f"it may be {kinds}")


def _check_sampling(data: "ImageData", sampling: "Sampling | None") -> None:
    if data.frames is None and sampling is not None:
        asked = [f"--{name}" for name in ("frames", "clips", "fps") if getattr(sampling, name) is not None]
        if asked:
            raise UsageError(f"{asked[0]}: {data.name} holds images, not videos", hint=f"leave {' and '.join(asked)} out")
