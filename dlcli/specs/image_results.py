"""The results of `dlcli train` and `dlcli eval` for networks that learn from images: each task has its own."""

from dlcli.specs.eval import EvalResult
from dlcli.specs.masks import MaskEvalResult, MaskTrainResult
from dlcli.specs.next_step import NextEvalResult, NextTrainResult
from dlcli.specs.scores import ScoreEvalResult, ScoreTrainResult
from dlcli.specs.train_result import TrainResult

ImageTrainResult = TrainResult | ScoreTrainResult | MaskTrainResult | NextTrainResult
ImageEvalResult = EvalResult | ScoreEvalResult | MaskEvalResult | NextEvalResult
