"""Bits of the next step: against sums by hand, and baselines against chains whose entropy is known."""

from math import log, log2, pi

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcli.core.compute.padding import padded
from dlcli.core.layers.on_sequences import OnSequences
from dlcli.core.models.causal_stacks import Tcn
from dlcli.core.training.next_step import BINARY, CATEGORICAL, GAUSSIAN, NextStepLoss, baselines, coded, kind_of_steps

CPU = torch.device("cpu")


def symbols(chain: list[int], n: int) -> np.ndarray:
    """One channel per symbol."""
    return np.eye(n, dtype=np.float32)[chain].T


def markov(matrix: np.ndarray, steps: int, seed: int) -> list[int]:
    random, found = np.random.default_rng(seed), [0]
    for _ in range(steps - 1):
        found.append(int(random.choice(len(matrix), p=matrix[found[-1]])))
    return found


def test_what_a_step_is() -> None:
    one_hot = padded([symbols([0, 1, 2], 3), symbols([2], 3)], 4)
    assert kind_of_steps(one_hot) == CATEGORICAL
    assert kind_of_steps(torch.tensor([[[0.0, 1, 1], [1, 1, 0]]])) == BINARY
    assert kind_of_steps(torch.tensor([[[0.0, 1, 1]]])) == BINARY
    assert kind_of_steps(torch.tensor([[[0.0, 0.5, 1]]])) == GAUSSIAN


def test_categorical_by_hand() -> None:
    x = padded([symbols([0, 2, 1], 3), symbols([1, 1], 3)], 5)
    objective = NextStepLoss.of(x, "abc")
    y = objective.targets(x)
    assert y.tolist() == [[2, 1, -100, -100, -100], [1, -100, -100, -100, -100]]
    outputs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    p = outputs.softmax(1)
    by_hand = -(p[0, 2, 0].log() + p[0, 1, 1].log() + p[1, 1, 0].log())
    assert float(objective.nats(outputs, y).sum()) == pytest.approx(float(by_hand), abs=1e-6)
    assert float(objective.loss(outputs, y)) == pytest.approx(float(by_hand) / 3, abs=1e-6)


def test_binary_by_hand() -> None:
    x = torch.tensor([[[1.0, 0, 1], [0, 0, 1]], [[1, 1, torch.nan], [1, 0, torch.nan]]])
    objective = NextStepLoss.of(x, ())
    outputs = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    p = outputs.sigmoid()
    expected = 0.0
    for k, steps in ((0, 2), (1, 1)):
        for t in range(steps):
            for c in range(2):
                q = p[k, c, t] if x[k, c, t + 1] == 1 else 1 - p[k, c, t]
                expected -= log(float(q))
    assert float(objective.nats(outputs, objective.targets(x)).sum()) == pytest.approx(expected, abs=1e-5)


def test_gaussian_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0, 2.0]], [[0.0, 6.0, torch.nan]]])
    objective = NextStepLoss.of(x, ())
    mean, deviation = np.mean([1, 3, 2, 0, 6]), np.std([1, 3, 2, 0, 6])
    assert objective.mean[0] == pytest.approx(mean) and objective.deviation[0] == pytest.approx(deviation)
    outputs = torch.zeros(2, 2, 3)
    z = [(value - mean) / deviation for value in (3, 2, 6)]
    expected = sum(0.5 * (one**2 + log(2 * pi)) for one in z)
    assert float(objective.nats(outputs, objective.targets(x)).sum()) == pytest.approx(expected, abs=1e-5)


def test_parts_of_a_batch_add_up() -> None:
    """The weights of parts are their steps, so gradients of parts add up to that of the batch."""
    x = padded([symbols([0, 1, 1, 0], 2), symbols([1, 0], 2)], 4)
    objective, outputs = NextStepLoss.of(x, "ab"), torch.randn(2, 2, 4)
    y = objective.targets(x)
    parts = [objective.loss(outputs[k : k + 1], y[k : k + 1]) * objective.weight(y[k : k + 1]) for k in (0, 1)]
    assert float(sum(parts) / objective.weight(y)) == pytest.approx(float(objective.loss(outputs, y)), abs=1e-6)


def test_a_markov_chain_is_coded_at_its_entropy() -> None:
    """Of a two-state chain: the rate is the mean entropy of its rows; by frequencies it is that of the stationary state."""
    matrix = np.array([[0.9, 0.1], [0.3, 0.7]])
    train, test = (padded([symbols(markov(matrix, 20_000, seed), 2)], 20_000) for seed in (1, 2))
    found = baselines(train, test, NextStepLoss.of(train, "ab"))
    still = np.array([0.75, 0.25])
    rate = -sum(still[a] * matrix[a, b] * log2(matrix[a, b]) for a in (0, 1) for b in (0, 1))
    assert found.markov.per_step == pytest.approx(rate, abs=0.02)
    assert found.frequencies.per_step == pytest.approx(-sum(p * log2(p) for p in still), abs=0.02)


def test_notes_are_coded_each_by_its_own_chain() -> None:
    matrix = np.array([[0.9, 0.1], [0.3, 0.7]])
    both = [np.array([markov(matrix, 20_000, seed), markov(matrix, 20_000, seed + 5)], dtype=np.float32) for seed in (1, 2)]
    train, test = (padded([one], 20_000) for one in both)
    objective = NextStepLoss.of(train, ())
    one = baselines(train[:, :1], test[:, :1], NextStepLoss(BINARY, ("0",)))
    rate = -sum(p * matrix[a, b] * log2(matrix[a, b]) for a, p in enumerate((0.75, 0.25)) for b in (0, 1))
    assert objective.kind == BINARY
    assert baselines(train, test, objective).markov.per_step == pytest.approx(2 * rate, abs=0.04)
    assert one.markov.per_step == pytest.approx(rate, abs=0.02)


def test_numbers_are_coded_by_a_regression_on_the_step_before() -> None:
    """Of x' = 0.9 x + e the gain on frequencies is half the log of the ratio of variances, 1 / (1 - 0.81)."""
    random, values = np.random.default_rng(0), [[0.0], [0.0]]
    for one in values:
        for _ in range(20_000):
            one.append(0.9 * one[-1] + random.normal())
    train, test = (padded([np.array([one], dtype=np.float32)], 20_001) for one in values)
    found = baselines(train, test, NextStepLoss.of(train, ()))
    assert found.frequencies.per_step - found.markov.per_step == pytest.approx(0.5 * log2(1 / 0.19), abs=0.03)


def test_coded_equals_the_sum_one_by_one() -> None:
    torch.manual_seed(0)
    each = [symbols(list(np.random.default_rng(k).integers(0, 3, n)), 3) for k, n in enumerate((5, 9, 1, 14))]
    x = padded(each, 20)
    objective, model = NextStepLoss.of(x, "abc"), OnSequences(Tcn(3, 3, 2, 8), by_step=True).eval()
    found = coded(model, x, objective, CPU)
    assert found.steps.tolist() == [4, 8, 0, 13]
    for one, bits in zip(each, found.bits, strict=True):
        with torch.no_grad():
            p = model.inner(torch.from_numpy(one)[None])[0].log_softmax(0)
        after = one.argmax(0)[1:]
        assert bits == pytest.approx(-sum(float(p[s, t]) for t, s in enumerate(after)) / log(2), abs=1e-4)


def test_a_uniform_network_needs_the_log_of_the_symbols() -> None:
    class Zero(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0

    x = padded([symbols([0, 3, 1, 2, 2], 4)], 5)
    assert coded(OnSequences(Zero(), by_step=True), x, NextStepLoss.of(x, "abcd"), CPU).per_step == pytest.approx(2.0, abs=1e-6)
