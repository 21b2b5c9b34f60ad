"""The sections of --help: options that belong together stand together; and options that stand twice on a command line."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand

from dlcli.support.errors import UsageError

OTHER_WAY = "_other_way"
"""End of the name of a parameter that gives an option in the other of its two ways."""
SECTIONS: dict[str, tuple[str, ...]] = {
    "Data": (
        *("data", "task", "split", "limit", "size", "label_column", "score_column", "raters", "ignore", "group", "strict"),
        *("dev", "labels", "labels_seed", "unlabelled"),
        "corrupt",
    ),
    "Sequences": ("rate", "pad", "next", "steps", "every"),
    "Video": ("frames", "clips", "fps"),
    "Table": (
        *("table", "column", "columns", "within", "pair_columns", "fold", "mask", "encoding", "delimiter", "quoting", "skip"),
        *("no_header", "max_cell", "skip_bad", "sheet"),
    ),
    "Network": (
        *(
            "model",
            "arch",
            "weights",
            "weights_key",
            "normalise",
            "surgery",
            "grow",
            "vectors",
            "ensemble",
            "tta",
            "size",
            "classes",
        ),
        "trust_code",
    ),
    "Training": (
        *(
            "pretrain",
            "pretrain_epochs",
            "pretrain_only",
            "distance",
            "margin",
            "patch",
            "semi",
            "alpha",
            "temperature",
            "threshold",
            "unlabelled_weight",
            "unlabelled_ratio",
            "epochs",
            "steps_per_epoch",
            "batch_size",
            "optimizer",
            "lr",
            "lr_for",
            "momentum",
            "weight_decay",
            "schedule",
            "warmup",
        ),
        *("label_smoothing", "clip_norm", "ema", "freeze", "early_stop", "precision", "augment", "crop", "mixup", "cutmix"),
        *("loss", "huber_delta", "class_weights", "balance", "adversarial", "probe"),
    ),
    "Comparison": ("versus", "seeds", "label_draws", "detect", "workers", "cluster"),
    "Ensemble": ("members", "add", "bootstrap", "chunk", "snapshots", "rule", "strategy"),
    "Attack": ("method", "surrogate", "target", "norm", "eps", "steps", "step_size", "restarts", "queries", "corruptions"),
    "Gradients": ("synthetic", "depth", "beta", "path", "walks", "points", "wrt", "target", "bn", "lesion", "paths"),
    "Conversion": (
        *("rule", "inflate", "temporal_kernel", "temporal_padding", "dilations", "fuse_dilations", "frames"),
        *("allow_inexact", "recalibrate_bn"),
    ),
    "Evaluation": (
        "diagnose",
        "diagnose_input",
        "human_error",
        "no_worse",
        "abstain",
        "calibrate",
        "calibrator",
        "uncalibrated",
        "coverage",
        "sets",
        "calibration",
        "slices",
        "summary",
        "prove_causal",
        "suspects",
        "leaks",
        "top",
    ),
    "Explanation": ("explain", "window", "baseline", "maps"),
    "Masks": ("masks", "overlay"),
    "Duplicates": ("model", "threshold", "precision", "candidates", "vectors", "keep_rule", "max_group"),
    "Other tables": (*("against", "against_column", "against_encoding", "index", "key", "replace", "forget", "forget_keys"),),
    "Labels": ("label", "labelled", "review"),
    "Cache": ("older",),
    "Output": (
        *("output", "save", "export", "log", "resume", "keep", "pairs", "prefix", "excel_safe", "fail_under"),
        *("time_limit", "stop_when_sure"),
        *("fail_on_duplicates", "format", "quiet", "verbose"),
    ),
    "Run": ("seed", "device", "workers", "cluster", "dry_run", "no_config", "config", "print_config", "debug", "help"),
}
"""Heading and options of each section, in the order of --help; `OWN` and the order decide for an option of several."""
OWN: dict[str, dict[str, str]] = {
    "dedupe": {
        **dict.fromkeys(("model", "threshold", "vectors", "precision"), "Duplicates"),
        "workers": "Run",
        "cluster": "Run",
    },
    "convert-2d-to-3d": {"frames": "Conversion", "rule": "Conversion", "size": "Network"},
    "probe-gradients": {"target": "Gradients", "seeds": "Gradients", "try_suggested": "Gradients"},
    "ensemble": {"workers": "Run", "cluster": "Run"},
    "eval": {"against": "Evaluation", "detect": "Evaluation", "workers": "Run", "cluster": "Run"},
    "predict": {"workers": "Run", "cluster": "Run"},
    "attack": {"against": "Attack", "steps": "Attack", "workers": "Run", "cluster": "Run"},
}
"""Sections of options that mean something else in a command than in others, by command."""


def refuse_repeated(order: list[Any]) -> None:
    """Raise UsageError if an option that takes one value is among the parameters of a command line more than once."""
    for parameter, times in Counter(order).items():
        if times > 1 and not (parameter.multiple or parameter.is_flag):
            flag = max(parameter.opts, key=len)
            several = "; several values are separated by commas" if "," in (parameter.metavar or "") else ""
            raise UsageError(f"{flag} is given {'twice' if times == 2 else f'{times} times'}", hint=f"give it once{several}")


def section_of(command: str, name: str) -> str:
    """Heading under which the option `name` of `command` stands; raises StopIteration if it has none."""
    own = OWN.get(command, {}).get(name)
    return own or next(heading for heading, names in SECTIONS.items() if name in names)


class SectionedCommand(TyperCommand):
    """A command whose --help lists its options in sections, and which refuses an option of one value that is given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line; of an option that stands there twice the last value would win."""
        if not ctx.resilient_parsing:  # as completion does, of a line that is not complete
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            refuse_repeated(order)
        found: list[str] = super().parse_args(ctx, args)
        return found

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments first, then each section that has options."""
        for heading, records in self.sections(ctx).items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def sections(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Each section that has options, arguments first: how an option is typed, and its help."""
        found: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ("Arguments", *SECTIONS)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            is_word = parameter.param_type_name == "argument"
            heading = "Arguments" if is_word else section_of(self.name or "", str(parameter.name).removesuffix(OTHER_WAY))
            found[heading].append((record[0].partition(" <")[0] if is_word else record[0], record[1]))
        return {heading: records for heading, records in found.items() if records}
