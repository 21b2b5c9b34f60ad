"""Options of `dlcli train` on what happens before the training itself."""

from typing import Any

from dlcli.specs.option import entries, one_of, option
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.specs.shared import SURGERIES
from dlcli.support.errors import UsageError

NO_PRETRAINING = "none"
DEFAULT_DISTANCE, DEFAULT_MARGIN = "l1", 1.0
PRETRAINING_OPTIONS = ("pretrain_epochs", "distance", "margin", "patch", "unlabelled", "grow")
"""Options that need `pretrain`."""
OF_METHOD = {"distance": "siamese", "margin": "siamese", "patch": "spatial-contrasting"}
"""Options of one method."""
_NOT_ALONE = (
    *("grow", "surgery", "versus", "semi", "early_stop", "warmup", "ema", "mixup", "cutmix", "class_weights", "adversarial"),
    *("label_smoothing", "log", "seeds"),
)
"""Options that do not apply where nothing follows pre-training, or whose network is another than that of the weights."""
_WITH_LABELS = ("siamese",)
"""The methods that need labels."""


def methods() -> tuple[str, ...]:
    """What `pretrain` accepts."""
    return (NO_PRETRAINING, *entries("pre-training", "dlcli.core.pretraining")())


def pretrain_option() -> Any:
    """`pretrain`: how the network is trained first, but for its last layer."""
    return option(
        NO_PRETRAINING,
        "Train the network first, but for its last layer. siamese: features of two images of one class or score should be "
        "close, of two at least a margin apart. Without labels: spatial-contrasting, two patches of one image should be closer "
        "than patches of two images (Hoffer et al. 2016); simclr, the same of random changes of an image (Chen et al. 2020); "
        "vicreg, changes of an image should have equal features, and these vary (Bardes et al. 2022). none: do not.",
        choices=methods,
    )


def pretrain_epochs_option() -> Any:
    """`pretrain_epochs`: how long."""
    return option(
        None, "Epochs of `pretrain`, before those of the training itself. Default: as many.", limit=1_000_000, minimum=1
    )


def pretrain_only_option() -> Any:
    """`pretrain_only`: leave a body."""
    return option(
        False,
        "Do only what `pretrain` says, and leave a body in the run directory: the weights but for the last layer. `weights` "
        "takes it, file or folder.",
    )


def distance_option() -> Any:
    """`distance`: of two feature vectors."""
    return option(
        None,
        f"Distance of features in `pretrain=siamese`: l1 or l2. Default: {DEFAULT_DISTANCE}.",
        choices=one_of("l1", "l2"),
    )


def margin_option() -> Any:
    """`margin`: how far apart the features of two levels should be."""
    return option(
        None,
        f"Distance that the features of images of two classes or scores should have in `pretrain=siamese`. Default: "
        f"{DEFAULT_MARGIN:g}.",
        above=0,
    )


def patch_option() -> Any:
    """`patch`: the size of the patches of images."""
    return option(
        None,
        "Side of the patches in `pretrain=spatial-contrasting`, in pixels. Default: half of the shorter side of the images.",
        minimum=1,
    )


def grow_option() -> Any:
    """`grow`: surgery between pre-training and training."""
    return option(
        (),
        "Change the network by a surgery after `pretrain` and before the training itself, e.g. widen=2 (repeatable; applied in "
        f"order). Choose from {', '.join(SURGERIES())}.",
        metavar="NAME[=ARG]",
    )


def unlabelled_option() -> Any:
    """`unlabelled`: further images for pre-training."""
    return option(
        None,
        "Images without labels that `semi` and `pretrain` take too, the latter in a method without labels: a folder, whose "
        "folders are not read as classes, or a .npz. They have the size and channels of the data. Test images among them are "
        "warned of, and with `strict` refused.",
        metavar="SPEC",
        reads=True,
    )


def labels_option() -> Any:
    """`labels`: how many training examples keep their labels."""
    return option(
        None,
        "Keep about N labels of the training set, equally many of each class, drawn by the seed. `semi` and `pretrain` take "
        "the other examples without their labels; without these options they are not used.",
        minimum=1,
    )


def reads_no_labels(method: str) -> bool:
    """Whether `pretrain` with this method takes images without labels."""
    return method not in (NO_PRETRAINING, *_WITH_LABELS)


def takes_unlabelled(config: Any) -> bool:
    """Whether the training of a configuration takes images without labels, before it or in it."""
    return bool(semi_chosen(config.semi)) or reads_no_labels(config.pretrain)


def inapplicable(method: str) -> tuple[str, ...]:
    """The options that do not apply where `pretrain` is `method`."""
    if method == NO_PRETRAINING:
        return PRETRAINING_OPTIONS
    found = tuple(name for name, only in OF_METHOD.items() if only != method)
    return found if reads_no_labels(method) else (*found, "unlabelled")


def _check_alone(config: Any) -> None:
    """Raise UsageError for an option with `pretrain_only` that has nothing to act on, or changes the network first."""
    if config.pretrain == NO_PRETRAINING:
        raise UsageError("`pretrain_only` needs `pretrain`", hint="`pretrain=simclr`, or omit `pretrain_only`")
    given = [name for name in _NOT_ALONE if getattr(config, name) and getattr(config, name) != "none"]
    if given:
        raise UsageError(f"`{given[0]}` does not apply to `pretrain_only`", hint=f"omit `{given[0]}`")


def check_pretraining(config: Any) -> None:
    """Raise UsageError for an option of pre-training without it, or of another method."""
    if config.pretrain_only:
        _check_alone(config)
    taken = ("unlabelled",) if semi_chosen(config.semi) else ()
    if config.pretrain != NO_PRETRAINING:
        for name in inapplicable(config.pretrain):
            if getattr(config, name) and name not in taken:
                needed = f"`pretrain={OF_METHOD[name]}`" if name in OF_METHOD else "a method of `pretrain` without labels"
                raise UsageError(f"`{name}` needs {needed}", hint=f"omit `{name}`")
        return
    for name in PRETRAINING_OPTIONS:
        if getattr(config, name) and name not in taken:
            hint = "`surgery` changes a network before it is trained at all" if name == "grow" else f"omit `{name}`"
            needed = "`pretrain` or `semi`" if name == "unlabelled" else "`pretrain`"
            raise UsageError(f"`{name}` needs {needed}", hint=hint)
