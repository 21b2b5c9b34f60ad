"""Options of `dlcli train`."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from dlcli.specs import parse, table_options, training_options
from dlcli.specs.arms import Number, Text, Whole, lists, names_option, numbers_option, values, wholes_option
from dlcli.specs.cluster import cluster_option
from dlcli.specs.code import trust_code_option
from dlcli.specs.command_line import command_line
from dlcli.specs.gradient_probe import check_probe, probe_option
from dlcli.specs.log_option import check_logs, log_option
from dlcli.specs.masks import check_masks, crop_option, ignore_option
from dlcli.specs.model_and_data import check_weights_key, weights_key_option
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.pairs import check_applicable, columns_option
from dlcli.specs.pretraining import (
    check_pretraining,
    distance_option,
    grow_option,
    inapplicable,
    labels_option,
    margin_option,
    patch_option,
    pretrain_epochs_option,
    pretrain_only_option,
    pretrain_option,
    reads_no_labels,
    unlabelled_option,
)
from dlcli.specs.sample_size import check_detect, detect_option
from dlcli.specs.schedule import check_schedule, schedule_option
from dlcli.specs.scores import (
    DEFAULT_LOSS,
    balance_option,
    check_loss,
    huber_delta_option,
    loss_option,
    raters_option,
    score_column_option,
)
from dlcli.specs.semi_supervised import (
    alpha_option,
    check_semi,
    inapplicable_to_semi,
    label_draws_option,
    labels_seed_option,
    semi_chosen,
    semi_option,
    steps_per_epoch_option,
    temperature_option,
    threshold_option,
    unlabelled_ratio_option,
    unlabelled_weight_option,
)
from dlcli.specs.sequences import (
    SEQUENCES,
    check_no_sequences,
    check_of_sequences,
    next_option,
    pad_option,
    rate_option,
    require_causal_option,
    steps_option,
)
from dlcli.specs.shared import (
    augment_option,
    clips_option,
    data_option,
    device_option,
    fps_option,
    frames_option,
    group_option,
    label_column_option,
    model_option,
    output_option,
    seed_option,
    size_option,
    strict_option,
    surgery_option,
)
from dlcli.specs.suspects import check_suspects, suspect_folds_option
from dlcli.support.errors import UsageError

IMAGES, PAIRS, SCORES, SEGMENT = "images", "pairs", "score", "segment"
"""Values of `task` that have options of their own."""
_OF_PAIRS = ("data", "task", "model", "vectors", "columns", *table_options.FIELDS, "seed", "device", "output")
SEEDS_OF_A_ROOT = 100_000
"""How many seeds lie between those of comparisons from two values of `seed`, and the most that one may have."""
_LARGEST_SEED = 2**63 - 1
_NOT_OF_SCORES = (
    "class_weights",
    "mixup",
    "cutmix",
    "label_smoothing",
    "corrupt",
    "labels",
    "adversarial",
    "columns",
    "vectors",
)
_OF_SCORES = ("loss", "huber_delta", "balance", "score_column", "raters")
WATCHED = {
    IMAGES: ("accuracy", "loss"),
    SCORES: ("spearman", "loss"),
    SEGMENT: ("miou", "loss"),
    SEQUENCES: ("accuracy", "loss"),
}
"""Metrics on the dev set that `early_stop` accepts, by task."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of `dlcli train`; settings that are None take the value of the network's own recipe."""

    data: str = data_option("digits", two_ways=True)
    task: str = option(
        "images",
        "images: classify images or videos. score: predict a number for each image, from labels.csv with a column of scores, a "
        "folder per score, or a .npz. segment: predict a class for each pixel, from a folder with images/ and masks/. "
        "sequence: classify time series, sounds, texts by character, or images pixel by pixel. pairs: from a table with two "
        "text columns and a label of 0 or 1, learn whether two texts are duplicates; `model` is then auto, lexical, words, "
        "siamese, fc or birnn. dlcli dedupe can use the run.",
        choices=entries("task", "dlcli.core.tasks"),
    )
    model: str | None = model_option(None)
    vectors: str | None = option(
        None,
        "Pairs: text vectors that the model uses, named as for dlcli dedupe. Default: depends on the model.",
        metavar="NAME",
    )
    columns: tuple[str, ...] = columns_option()
    encoding: str | None = table_options.encoding_option(table_options.PAIRS)
    delimiter: str | None = table_options.delimiter_option(table_options.PAIRS)
    quoting: str | None = table_options.quoting_option(table_options.PAIRS)
    skip: int = table_options.skip_option(table_options.PAIRS)
    no_header: bool = table_options.no_header_option(table_options.PAIRS)
    max_cell: int = table_options.max_cell_option(table_options.PAIRS)
    skip_bad: Path | None = table_options.skip_bad_option(table_options.PAIRS)
    sheet: str | None = table_options.sheet_option(table_options.PAIRS)
    weights: Path | None = option(
        None,
        "Start from the weights in this file: safetensors, or a checkpoint of torch.save; imagenet: those published for a "
        "network of torchvision; none: not those of a published network. A last layer for another "
        "number of classes is reinitialised. With `model=frame-mlp:NAME`, a perceptron on features of single frames computed "
        "by the network NAME, these are the weights of NAME.",
        metavar="FILE",
        reads=True,
    )
    weights_key: str | None = weights_key_option()
    normalise: str = normalise_option()
    surgery: tuple[str, ...] = surgery_option("the network")
    pretrain: str = pretrain_option()
    pretrain_epochs: int | None = pretrain_epochs_option()
    pretrain_only: bool = pretrain_only_option()
    distance: str | None = distance_option()
    margin: float | None = margin_option()
    patch: int | None = patch_option()
    unlabelled: str | None = unlabelled_option()
    semi: Text = semi_option()
    alpha: float | None = alpha_option()
    temperature: tuple[float, float, int] | None = temperature_option()
    threshold: float | None = threshold_option()
    unlabelled_weight: float | None = unlabelled_weight_option()
    unlabelled_ratio: int | None = unlabelled_ratio_option()
    grow: tuple[str, ...] = grow_option()
    versus: str | None = option(
        None,
        "Also train a variant, and compare the two in pairs, seed by seed: baseline (without `surgery`), or the options that "
        "differ, in quotes: '`lr=0.01`' or '`surgery=selu`'.",
        metavar="SPEC",
        names_code=True,
    )
    seeds: int | None = option(
        None,
        f"Number of seeds of a comparison, from {SEEDS_OF_A_ROOT:,} times `seed` on. The table lists them; each alone, as "
        "`seed`, gives the same networks.  [default: 5]",
        limit=SEEDS_OF_A_ROOT,
        minimum=2,
    )
    detect: float | None = detect_option()
    workers: int | None = option(
        None,
        "Networks of a comparison to train in parallel.  [default: one per CPU core or GPU]",
        limit=4096,
        minimum=1,
    )
    cluster: str | None = cluster_option()
    epochs: Whole = wholes_option("Training epochs. Default: the network's own number.", limit=1_000_000, minimum=1)
    batch_size: Whole = wholes_option(
        "Batch size (images per step); auto, the default, is the network's own. Batches that do not fit in memory are split "
        "(gradient accumulation).",
        auto=True,
        minimum=1,
        metavar="N[,N...]|auto",
    )
    steps_per_epoch: int | None = steps_per_epoch_option()
    optimizer: Text = names_option(
        "Optimizer: sgd, adam, adamw or adadelta. Default: the network's own.",
        choices=one_of("sgd", "adam", "adamw", "adadelta"),
    )
    lr: Number = numbers_option(
        None, "Learning rate. Default: the network's own, or the usual one of the given `optimizer`.", above=0
    )
    lr_for: tuple[str, ...] = training_options.lr_for_option()
    momentum: Number = training_options.momentum_option()
    weight_decay: Number = training_options.weight_decay_option()
    schedule: Text = schedule_option()
    warmup: Number = training_options.warmup_option()
    label_smoothing: Number = numbers_option(None, "Label smoothing. Default: the network's own.", minimum=0, below=1)
    clip_norm: Number = numbers_option(
        None, "Clip the gradient norm to this value. Default: the network's own, or no clipping.", above=0
    )
    ema: Number = numbers_option(
        None,
        "Decay of the exponential moving average of the weights. Default: the network's own, or no averaging.",
        minimum=0,
        below=1,
    )
    freeze: tuple[str, ...] = training_options.freeze_option()
    early_stop: tuple[str, int] | None = option(
        None,
        "Stop when the accuracy (of scores, spearman; of masks, miou) or the loss on the dev set has not improved for EPOCHS "
        "epochs (default 5), and restore the weights of the best epoch, e.g. loss:10. Needs `dev`, or data with a dev set.",
        parse=parse.early_stop,
        show=parse.show_early_stop,
        metavar="METRIC[:EPOCHS]",
    )
    precision: str = option(
        "auto",
        "Precision of training. auto: bfloat16 where the device supports it natively. Evaluation is always in float32.",
        choices=one_of("auto", "float32"),
    )
    loss: Text = loss_option()
    huber_delta: Number = huber_delta_option()
    balance: str | None = balance_option()
    augment: tuple[str, ...] = augment_option()
    crop: int | None = crop_option()
    mixup: Number = training_options.mixup_option()
    cutmix: Number = training_options.cutmix_option()
    class_weights: bool = option(False, "Weight the loss by inverse class frequency.")
    corrupt: str | None = option(
        None,
        "Corrupt the data, to see what the network memorises (Zhang et al. 2017). labels=P: replace each training label with "
        "probability P by a random one. In all splits: shuffled-pixels, one permutation for all images; random-pixels, another "
        "one for each image; gaussian, noise in place of the images.",
        metavar="SPEC",
    )
    dev: float | None = option(
        None,
        "Fraction of the training set to hold out as dev set (validation set), unless the data have one.",
        minimum=0,
        maximum=0.9,
    )
    labels: int | None = labels_option()
    labels_seed: int | None = labels_seed_option()
    label_draws: int | None = label_draws_option()
    limit: int | None = option(None, "Use at most N examples per split, keeping every class represented.", minimum=1)
    size: int | None = size_option()
    label_column: str | None = label_column_option()
    score_column: str | None = score_column_option()
    raters: tuple[str, ...] = raters_option()
    ignore: int | None = ignore_option()
    group: str | None = group_option(", and intervals are by group.")
    rate: int | None = rate_option()
    pad: bool = pad_option()
    next: bool = next_option()
    steps: int | None = steps_option()
    prove_causal: bool = require_causal_option()
    frames: int | None = frames_option()
    clips: int | None = clips_option()
    fps: float | None = fps_option()
    suspects: int | None = suspect_folds_option()
    strict: bool = strict_option()
    probe: int | None = probe_option()
    adversarial: tuple[str, float, float] | None = option(
        None,
        "Train on adversarial examples made from the current weights, e.g. fgsm:0.3, or fgsm:0.3:0.5 for half of each batch.",
        parse=parse.adversarial,
        show=parse.show_adversarial,
        metavar="METHOD:EPS[:SHARE]",
    )
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Run directory, with a page, report.html.  [default: the first free of runs/DATA, runs/DATA-2 ...]", "DIR"
    )
    log: tuple[str, ...] = log_option()
    resume: bool = option(
        False,
        "Continue the stopped run in the run directory; of a finished one give the result again, in a new directory start. "
        "Comparisons start again.",
    )

    def __post_init__(self) -> None:
        check(self)
        check_weights_key(self.weights_key, self.weights)
        self._check_task()
        check_pretraining(self)
        check_semi(self)
        check_suspects(self)
        self._check_comparison()
        watched = WATCHED.get(self.task, ())
        if self.early_stop and (self.early_stop[0] not in watched or self.early_stop[1] < 1):
            raise UsageError(
                f"`early_stop` needs one of {', '.join(watched)}, and at least 1 epoch", hint="`early_stop=loss:10`"
            )
        check_logs(self.log)
        check_probe(self)
        for schedule, warmup in product(values(self.schedule), values(self.warmup)):
            check_schedule(schedule, warmup)
        training_options.parse_rates(self.lr_for)
        training_options.check_mixing({"mixup": self.mixup, "cutmix": self.cutmix}, adversarial=self.adversarial is not None)
        for name in ("labels", "unlabelled"):
            if self.corrupt and getattr(self, name):
                raise UsageError(f"`corrupt` and `{name}` do not go together", hint="omit one of them")
        if self.adversarial and not 0 < self.adversarial[2] <= 1:
            raise UsageError("`adversarial`: the share must be above 0 and at most 1")

    @property
    def compares(self) -> bool:
        """Whether several networks are trained and compared."""
        return self.versus is not None or bool(lists(self))

    def _check_comparison(self) -> None:
        several = lists(self)
        if self.versus and several:
            message = f"`{several[0]}` has several values, which are compared already; `versus` compares two variants"
            raise UsageError(message, hint=f"omit `versus`, or give `{several[0]}` one value")
        largest = _LARGEST_SEED // SEEDS_OF_A_ROOT - 1
        if self.compares and self.seed > largest:
            raise UsageError(f"`seed`: {self.seed} is too large for a comparison", hint=f"choose one of at most {largest}")
        for name in ("seeds", "workers", "cluster", "detect"):
            if getattr(self, name) and not self.compares:
                raise UsageError(f"`{name}` needs `versus`", hint="or several values of an option, as `lr=0.001,0.01`")
        check_detect(self.detect, None if self.next else 2 if self.task == SCORES else 1)

    def _check_task(self) -> None:
        table_options.check_table_options(self)
        if self.task == PAIRS:
            check_applicable(self, _OF_PAIRS, "`task=pairs`")
            if self.data == "digits":
                raise UsageError(
                    "`task=pairs` learns from a table of labelled pairs",
                    hint=command_line("train", data="PAIRS.csv", task="pairs"),
                )
            return
        given = [name for name in ("columns", "vectors") if getattr(self, name)] + table_options.set_fields(self)
        if given:
            raise UsageError(f"`{given[0]}` needs `task=pairs`")
        if self.task == SEQUENCES:
            check_of_sequences(self)
        else:
            check_no_sequences(self, "`task=sequence`")
        check_masks(self, self.task == SEGMENT)
        if self.task == SCORES:
            self._check_scores()
        elif self.task != SEGMENT and (scored := [name for name in _OF_SCORES if getattr(self, name)]):
            raise UsageError(f"`{scored[0]}` needs `task=score`")

    def _check_scores(self) -> None:
        for name in _NOT_OF_SCORES:
            if getattr(self, name):
                raise UsageError(f"`{name}` is of classes, and does not apply to `task=score`", hint=f"omit `{name}`")
        if self.score_column is not None and self.label_column is not None:
            raise UsageError("`score_column` and `label_column` name the same column", hint="omit `label_column`")
        check_loss(self.loss, self.huber_delta)


def dropped(config: TrainConfig, changed: Mapping[str, Any]) -> tuple[str, ...]:
    """The options that do not apply to a variant with these changes, though they do to the configuration itself."""
    semi, pretrain = (changed.get(name, getattr(config, name)) for name in ("semi", "pretrain"))
    kept = ("unlabelled",) if semi_chosen(semi) or reads_no_labels(pretrain) else ()
    names = [*(inapplicable(pretrain) if "pretrain" in changed or "semi" in changed else ())]
    names += inapplicable_to_semi(semi) if "semi" in changed else ()
    names += ("huber_delta",) if changed.get("loss") not in (None, DEFAULT_LOSS) else ()
    return tuple(name for name in names if name not in kept)
