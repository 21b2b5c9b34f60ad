"""`score`: a network learns how high people, or a measurement, rate an image."""

import hashlib
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.correlation import correlations, paired_score_difference, score_figures, thirds
from dlcli.core.data.base import SCORE, ImageData, Split
from dlcli.core.data.groups import groups_of
from dlcli.core.data.score_labels import rater_columns
from dlcli.core.data.votes import HISTOGRAM, VOTES
from dlcli.core.model_io.score_metadata import saved_scores
from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import ScoreObjective, TaskObjective, TrainingScores, Votes, votes_of_ratings
from dlcli.core.rater_agreement import ceiling
from dlcli.core.tasks.base import TaskOfOutputs, TrainedFacts, VersusMetric, Watched, raters_in
from dlcli.specs.arms import one
from dlcli.specs.estimates import Ceiling, Difference
from dlcli.specs.scores import (
    DEFAULT_LOSS,
    SCORE_METRICS,
    ConstantBaseline,
    ScoreMetric,
    ScoreRow,
    ScoreThird,
    ScoreTrainResult,
)
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

DESCRIPTION = "predict a score of an image, such as how much people like it"

Floats = NDArray[np.float64]

_SEED = 0
"""Of the intervals of figures, which are those of the predictions and depend on nothing else."""


def _at_the_ends(row: ScoreRow) -> float | None:
    ends = [row.thirds[0], row.thirds[-1]] if len(row.thirds) > 1 else []
    return fmean(third.mae.value for third in ends) if ends else None


_METRICS: Mapping[str, VersusMetric] = {
    "test Spearman": VersusMetric(lambda row: row.value("spearman")),
    "test MAE": VersusMetric(lambda row: row.value("mae")),
    "MAE at the ends": VersusMetric(_at_the_ends),
    "test Pearson": VersusMetric(lambda row: row.value("pearson")),
    "test RMSE": VersusMetric(lambda row: row.value("rmse")),
    "training Spearman": VersusMetric(lambda row: row.train_spearman),
    "epochs to level": VersusMetric(lambda row: row.epochs_to_level, lambda row: 1.0, lambda row: row.epochs),
    "seconds": VersusMetric(lambda row: row.seconds),
}


class ImageScores(TaskOfOutputs):
    """See the module."""

    name: ClassVar[str] = "score"
    target: ClassVar[str] = SCORE
    figure: ClassVar[str] = "spearman"
    figures: ClassVar[str] = "correlations"
    label: ClassVar[str] = "Spearman"
    in_percent: ClassVar[bool] = False
    metrics: ClassVar[Mapping[str, VersusMetric]] = _METRICS
    primary: ClassVar[tuple[str, ...]] = ("test Spearman", "test MAE")
    crossed: ClassVar[str] = "test MAE"

    def objective(self, data: ImageData, config: TrainConfig) -> ScoreObjective:
        """See `ImageTask`."""
        loss, delta = one(config.loss), one(config.huber_delta)
        kind: type[ScoreObjective] = OBJECTIVES.module(loss or DEFAULT_LOSS).OBJECTIVE
        y = data.y_train.numpy().astype(np.float64)
        votes = votes_of(data.splits["train"], config.raters, data.name)
        return kind.of(TrainingScores(y, delta, votes))

    def check(self, data: ImageData, config: TrainConfig) -> None:
        """Refuse raters that are no numbers, and to compare networks where there are no correlations to compare."""
        ratings_of(data.splits["test"], config.raters, data.name)
        first = data.y_test[0].item() if len(data.y_test) else 0.0
        if config.compares and (data.y_test == first).all():
            raise InputError(
                f"{data.name}: all test scores are {first:g}, so networks cannot be compared by their correlations",
                hint="give a test set with several scores",
            )

    def targets(self, split: Split, objective: TaskObjective | None, config: TrainConfig, source: str) -> Tensor:
        """Scores, or the distribution of votes, see `ImageTask`."""
        return _needed(objective).targets(split.y, votes_of(split, config.raters, source))

    def calibrated(
        self, objective: TaskObjective | None, model: nn.Module, first: Split, device: torch.device
    ) -> ScoreObjective:
        """See `ImageTask`.

        Args:
            objective: The loss.
            model: The trained network.
            first: The first of the training examples.
            device: Where to compute.
        """
        return _needed(objective).calibrated(predict_logits(model, first.x, device=device), first.y)

    def facts(self, data: ImageData, objective: TaskObjective | None, config: TrainConfig) -> Mapping[str, Any]:
        """See `ImageTask`."""
        statistics = _needed(objective).to_json()
        facts = {"task": config.task, "loss": statistics.pop("loss"), "huber_delta": statistics.pop("delta", None)}
        facts |= {"balance": config.balance, "statistics of the scores": statistics}
        train = data.splits["train"]
        wanted = self.targets(train, objective, config, data.name)
        if wanted is not train.y:  # votes, of which the fingerprint of the data has the means only
            facts |= {"votes of the raters": hashlib.sha256(wanted.numpy().tobytes()).hexdigest()}
        return facts

    def learned(
        self, data: ImageData, objective: TaskObjective | None, predicted: NDArray[Any], config: TrainConfig
    ) -> Mapping[str, Any]:
        """See `ImageTask`.

        Args:
            data: What was trained and tested on.
            objective: The calibrated loss.
            predicted: What the network predicts for the test set.
            config: The options.
        """
        column = config.score_column or config.label_column
        scores = saved_scores(data, _needed(objective), predicted, column, config.raters)
        return {"task": config.task, "scores": scores.to_json()}

    def watch(self, outputs: Tensor, y: Tensor, objective: TaskObjective | None, targets: Tensor) -> Watched:
        """Spearman's correlation, 0 if all predictions or all scores are equal, and the mean loss.

        Args:
            outputs: Of the network, (n, k).
            y: Labels or scores, (n,).
            objective: The loss of scores.
            targets: What the loss takes for `y`.
        """
        predicted = self.predict(outputs, objective)
        found = correlations(predicted, y.numpy()).get("spearman", 0.0)
        return Watched(found, float(_needed(objective).loss(outputs, targets)))

    def predict(self, outputs: Tensor, objective: TaskObjective | None) -> NDArray[Any]:
        """The scores."""
        return _needed(objective).value(outputs.double()).numpy()

    def outcomes(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[Any]:
        """The absolute errors."""
        found: NDArray[Any] = np.abs(predicted - y)
        return found

    def final_figures(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> Mapping[str, float]:
        """See `ImageTask`; without intervals."""
        error = predicted - y.astype(np.float64)
        found = {name: correlations(predicted, y).get(name, 0.0) for name in SCORE_METRICS}
        return found | {"mae": float(np.abs(error).mean()), "rmse": float((error**2).mean() ** 0.5), "n": len(y)}

    def final_names(self) -> tuple[str, ...]:
        """See `ImageTask`."""
        return (*SCORE_METRICS, "mae", "rmse", "n")

    def row(self, facts: TrainedFacts) -> ScoreRow:
        """See `ImageTask`."""
        truth = scores_of(facts.test)
        return ScoreRow(
            variant=facts.variant,
            seed=facts.seed,
            metrics=score_metrics(facts.predicted, truth, facts.group),
            thirds=score_thirds(facts.predicted, truth, facts.group),
            train_spearman=facts.best.train_figure,
            n_watched=facts.n_watched,
            train_loss=facts.best.train_loss,
            epochs=len(facts.history),
            best_epoch=facts.best_epoch,
            steps=len(facts.history) * facts.epoch_steps,
            epochs_to_level=None,
            seconds=facts.seconds,
            weights_sha256=facts.sha256,
        )

    def result(
        self,
        data: ImageData,
        rows: tuple[Any, ...],
        common: Mapping[str, Any],
        *,
        objective: TaskObjective | None,
        predicted: NDArray[Any] | None,
        group: str | None,
        raters: Sequence[str],
    ) -> ScoreTrainResult:
        """See `ImageTask`.

        Args:
            data: What was trained on.
            rows: Those of the networks.
            common: The fields that results of all tasks have.
            objective: The loss.
            predicted: What the only network predicts for the test set; None for a comparison.
            group: The metadata column of groups.
            raters: The metadata columns of raters that were named.
        """
        test, baseline = data.splits["test"], None
        groups = groups_of(test.metadata, group, data.name)
        if predicted is not None:
            train = data.y_train.numpy().astype(np.float64)
            baseline = baseline_of(float(np.median(train)), float(train.mean()), predicted, scores_of(test), groups)
        return ScoreTrainResult(
            rows=rows,
            loss=_needed(objective).name,
            baseline=baseline,
            ceiling=rater_ceiling(test, raters, groups, data.name),
            **common,
        )


def _needed(objective: TaskObjective | None) -> ScoreObjective:
    if not isinstance(objective, ScoreObjective):
        raise ValueError("scores need an objective")
    return objective


def scores_of(split: Split) -> Floats:
    """The scores of a set, (n,) float64."""
    return split.y.numpy().astype(np.float64)


def score_metrics(predicted: Floats, truth: Floats, group: NDArray[np.int64] | None) -> tuple[ScoreMetric, ...]:
    """Correlations and errors with their intervals; no correlations where all predictions are equal."""
    found = score_figures(predicted, truth, group, seed=_SEED)
    return tuple(ScoreMetric(name=name, estimate=one) for name, one in found.items())


def score_thirds(predicted: Floats, truth: Floats, group: NDArray[np.int64] | None) -> tuple[ScoreThird, ...]:
    """Errors by third of the examples, in the order of their scores."""
    return tuple(ScoreThird(**one._asdict()) for one in thirds(predicted, truth, group, seed=_SEED))


def baseline_of(
    median: float, mean: float, predicted: Floats, truth: Floats, group: NDArray[np.int64] | None
) -> ConstantBaseline:
    """What one prediction for all examples would get, and what the network gains on it.

    Args:
        median: Of the scores of the training set.
        mean: Of the same.
        predicted: The predictions of the network, (n,).
        truth: The true scores, (n,).
        group: The group of each, (n,); None without groups.
    """
    by_median, by_mean = (np.full(len(truth), value) for value in (median, mean))
    gain: Difference | None = paired_score_difference(by_median, predicted, truth, group, seed=_SEED).get("mae")
    return ConstantBaseline(
        median=median,
        mean=mean,
        mae=score_figures(by_median, truth, group, seed=_SEED)["mae"],
        rmse=score_figures(by_mean, truth, group, seed=_SEED)["rmse"],
        gain=gain,
    )


def rater_ceiling(split: Split, raters: Sequence[str], group: NDArray[np.int64] | None, source: str) -> Ceiling | None:
    """How well the raters of a set agree; None with fewer than two.

    Args:
        split: The set, whose metadata have the columns.
        raters: The columns that were named; none: those called rater, rater_1 and so on.
        group: The group of each example, (n,); None without groups.
        source: What the set is of, for messages.

    Raises:
        InputError: See `ratings_of`.
    """
    ratings = ratings_of(split, raters, source)
    return None if ratings is None else ceiling(ratings, group, seed=_SEED)


def ratings_of(split: Split, raters: Sequence[str], source: str) -> Floats | None:
    """What the raters of a set gave, (n, raters), NaN where one did not rate; None with fewer than two raters.

    Args:
        split: The set, whose metadata have the columns.
        raters: The columns that were named; none: those called rater, rater_1 and so on.
        source: What the set is of, for messages.

    Raises:
        InputError: If a column that was named is not there, or a rating is not a number.
    """
    if tuple(raters) == HISTOGRAM and VOTES in split.metadata:
        return None
    columns = rater_columns(source, list(split.metadata), raters)
    try:
        return raters_in(split.metadata, columns)
    except ValueError as error:
        raise InputError(f"{source}: a column of raters does not hold numbers: {error}") from None


def votes_of(split: Split, raters: Sequence[str], source: str) -> Votes | None:
    """The distributions of the votes for the examples of a set; None with fewer than two raters, or fractions.

    Args:
        split: The set, whose metadata have the votes.
        raters: As `raters` names them.
        source: What the set is of, for messages.

    Raises:
        InputError: See `ratings_of`.
    """
    if tuple(raters) == HISTOGRAM and VOTES in split.metadata:
        table = np.stack(list(split.metadata[VOTES])) if len(split.y) else np.zeros((0, 3))
        return Votes(int(table[0, 0]) if len(table) else 1, table[:, 1:])
    return votes_of_ratings(ratings_of(split, raters, source))


TASK = ImageScores()
