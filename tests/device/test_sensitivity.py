"""Each check fails when something is wrong; on the CPU, whatever DLCLI_TEST_DEVICE says."""

from dataclasses import replace
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks._gpu import engine_checks, image_checks, memory, texts, training_checks
from benchmarks._gpu.rows import Status
from benchmarks._gpu.setup import CPU, Setup, why_missing
from dlcli.core.ensembles.stacked import StackedGradients
from dlcli.core.inflate.convert import Inflation
from dlcli.core.objectives.cross_entropy import CrossEntropy
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.training.batch_gradients import BatchGradients

ACCURACIES = [("mean rule", 0.8), ("mean of members", 0.9)]


def tf32(patch):
    """Convolutions round float32 to the 10 bits of TF32, as cuDNN does unless told otherwise."""

    def rounded(tensor):
        with torch.no_grad():
            bits = (tensor.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF
        return tensor + (bits.view(torch.float32) - tensor).detach()

    def forward(self, x, weight, bias):
        if x.dtype == torch.float32:
            x, weight = rounded(x), rounded(weight)
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    patch.setattr(nn.Conv2d, "_conv_forward", forward)


def different_each_time(patch):
    """Every loss has another factor, as sums in another order would."""
    numbers, loss = count(), BatchGradients._loss
    patch.setattr(BatchGradients, "_loss", lambda self, logits, y: loss(self, logits, y) * (1 + 1e-3 * next(numbers)))


def scaled_stacks(patch):
    loss = StackedGradients._loss
    patch.setattr(StackedGradients, "_loss", lambda self, logits, y: loss(self, logits, y) * 1.01)


def other_weights(patch):
    """The network on the device is not the one on the CPU."""
    on = image_checks.on

    def moved(model, device, dtype=torch.float32):
        found = on(model, device, dtype)
        if dtype == torch.float32:
            with torch.no_grad():
                for parameter in found.parameters():
                    parameter.mul_(1.05)
        return found

    patch.setattr(image_checks, "on", moved)


def eval_of_another_network(patch):
    run = engine_checks.evaluation.run
    patch.setattr(engine_checks.evaluation, "run", lambda config: run(replace(config, split="train")))


def members_alike(patch):
    rows = [SimpleNamespace(members=3, classifier=name, accuracy=SimpleNamespace(value=value)) for name, value in ACCURACIES]
    patch.setattr(engine_checks.ensemble, "run", lambda config: SimpleNamespace(rows=rows, strategy="none"))


def float32_gradients(patch):
    found = image_checks.input_gradients
    patch.setattr(image_checks, "input_gradients", lambda *args, **how: found(*args, **how).float().double())


def one_pair_less(patch):
    found = texts.similar_pairs

    def pairs(*args, device=None, **how):
        rows = found(*args, device=device, **how)
        return rows if device is None else Pairs(rows.first[1:], rows.second[1:], rows.score[1:])

    patch.setattr(texts, "similar_pairs", pairs)


def no_pairs(patch):
    found = texts.similar_pairs
    patch.setattr(texts, "similar_pairs", lambda vectors, threshold, **how: found(vectors[:1], threshold, **how))


def other_vectors(patch):
    if why := why_missing("sentence_transformers"):
        pytest.skip(why)
    found = texts.sentence.vectors

    def vectors(keys, folder, *, device, **how):
        rows = found(keys, folder, device=device, **how)
        return rows if "batch" in how else rows * (1 + 1e-3)

    patch.setattr(texts.sentence, "vectors", vectors)


def sums_of_parts(patch):
    patch.setattr(CrossEntropy, "weight", lambda self, y: 1)


def wrong_order(patch):
    found = memory.predict_logits

    def predict(model, x, **how):
        logits = found(model, x, **how)
        return logits.flip(0) if "batch_size" in how else logits

    patch.setattr(memory, "predict_logits", predict)


def attacks_that_do_nothing(patch):
    attack = SimpleNamespace(with_options=lambda **options: lambda model, x, y, **how: x)
    patch.setattr(memory, "load_attack", lambda name: attack)


def everything_is_memory(patch):
    patch.setattr(memory, "out_of_memory", lambda error: True)


WRONG = [
    (training_checks.steps_agree, tf32),
    (image_checks.logits_agree, tf32),
    (training_checks.runs_repeat, different_each_time),
    (training_checks.resume_repeats, different_each_time),
    (training_checks.stacked_agree, scaled_stacks),
    (image_checks.verdicts_agree, other_weights),
    (image_checks.gradients_agree, float32_gradients),
    (engine_checks.commands_agree, eval_of_another_network),
    (engine_checks.ensembles_train, members_alike),
    (image_checks.conversions_agree, lambda patch: patch.setattr(image_checks, "Inflation", partial(Inflation, ends="zeros"))),
    (texts.sentences_agree, other_vectors),
    (texts.join_agrees, one_pair_less),
    (texts.join_agrees, no_pairs),
    (memory.training_in_parts, sums_of_parts),
    (memory.prediction_in_parts, wrong_order),
    (memory.attack_in_parts, attacks_that_do_nothing),
    (memory.forms, everything_is_memory),
]


@pytest.mark.parametrize(("part", "wrong"), WRONG, ids=lambda one: one.__name__)
def test_a_check_fails_when_something_is_wrong(part, wrong, monkeypatch):
    wrong(monkeypatch)
    assert Status.FAILED in [row.status for row in part(Setup(CPU, small=True))]
