"""GenAttack against the paper's rules, its budget and closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.methods.genetic import Genetic, mutation
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.core.compute.rng import generator
from dlcli.support.errors import UsageError

Trained = tuple[nn.Module, Tensor, Tensor]


@pytest.mark.parametrize(("plateaus", "rate", "max_change"), [(0, 0.5, 0.4), (5, 0.5 * 0.9**5, 0.4 * 0.9**5), (30, 0.1, 0.15)])
def test_the_mutation_rate_and_range_are_those_of_the_paper(plateaus: int, rate: float, max_change: float) -> None:
    drawn = torch.rand(1, 200_000, generator=generator(0), dtype=torch.float64)
    found = mutation(drawn, torch.tensor([float(plateaus)], dtype=torch.float64))[0]
    hit = found != 0
    assert abs(float(hit.double().mean()) - rate) < 5 * math.sqrt(rate / 200_000)
    assert 0.999 * max_change < float(found.max()) <= max_change and -max_change <= float(found.min()) < -0.999 * max_change
    # Uniform between them: the mean is 0 and the variance reach^2 / 3.
    assert abs(float(found[hit].mean())) < 5 * max_change / math.sqrt(3 * rate * 200_000)
    assert abs(float(found[hit].var()) / (max_change**2 / 3) - 1) < 0.05


def batch_of(attack: Genetic, x: Tensor) -> ActiveBatch:
    zero = torch.zeros(len(x), dtype=torch.int64)
    return ActiveBatch(zero, zero, zero, x, x, zero, zero - 1, attack.memory(x))


def bred(attack: Genetic, batch: ActiveBatch, source: torch.Generator, eps: float = 0.1) -> Tensor:
    drawn = torch.rand(len(batch), attack.num_draws(batch.clean[0]), generator=source, dtype=torch.float64)
    return attack.propose(batch, drawn, ThreatModel("linf", eps, (-9.0, 9.0)))


def test_the_first_generation_is_uniform_in_the_ball() -> None:
    attack, x = Genetic(), torch.full((200, 1, 5, 5), 3.0, dtype=torch.float64)
    change = bred(attack, batch_of(attack, x), generator(1)) - 3
    assert change.shape == (200, 5, 1, 5, 5) and float(change.abs().max()) <= 0.1
    assert abs(float(change.var()) / (0.01 / 3) - 1) < 0.05 and abs(float(change.mean())) < 0.002


def test_children_take_after_fit_parents() -> None:
    """Members of one value each: with no mutation to speak of, a child's values say who its parents were."""
    attack, n = Genetic(population=4), 4000
    x = torch.zeros(n, 1, 2, 5, dtype=torch.float64)
    batch = batch_of(attack, x)
    fitness = torch.tensor([0.0, 0.1, 0.4, -torch.inf], dtype=torch.float64)
    members = torch.arange(4, dtype=torch.float64)[None, :, None, None, None].expand(n, 4, 1, 2, 5)
    memory = {**batch.memory, "members": members, "fitness": fitness.expand(n, 4)}
    batch = ActiveBatch(batch.index, batch.run, batch.step + 1, x, x, batch.label, batch.target_class, memory)
    children = bred(attack, batch, generator(2), eps=1e-9).round().long()
    chance = torch.softmax(fitness / 0.3, 0)
    assert not bool((children == 3).any())
    # Who gives a value: parent i with p_i, parent j with p_j, and of these i with p_i / (p_i + p_j).
    expected = torch.zeros(4, dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            expected[i] += chance[i] * chance[j] * chance[i] / (chance[i] + chance[j])
            expected[j] += chance[i] * chance[j] * chance[j] / (chance[i] + chance[j])
    seen = torch.bincount(children.flatten(), minlength=4) / children.numel()
    assert torch.allclose(seen.double(), expected, atol=0.02)
    assert int(children.flatten(2).unique(dim=2).shape[2]) > 1
    kinds = torch.tensor([len(child.unique()) for child in children.flatten(0, 1)])
    assert int(kinds.max()) == 2 and int(kinds.min()) == 1  # two parents, never three


def test_the_fittest_lives_on_and_plateaus_are_counted() -> None:
    attack, x = Genetic(population=3), torch.zeros(2, 1, 1, 1)
    batch = batch_of(attack, x)
    batch = attack.update(
        batch, torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1).expand(2, 2, 1, 1, 1), torch.tensor([[5.0, 7.0], [5.0, 3.0]])
    )
    assert batch.x.flatten().tolist() == [2.0, 1.0] and batch.memory["best"].tolist() == [7.0, 5.0]
    for _ in range(100):
        worse = torch.full((2, 2, 1, 1, 1), 9.0)
        batch = attack.update(batch, worse, torch.tensor([[6.0, 6.5], [4.0, 4.5]]))
    assert batch.x.flatten().tolist() == [2.0, 1.0]
    assert batch.memory["plateaus"].tolist() == [1.0, 1.0]
    assert batch.memory["members"][0].flatten().tolist() == [2.0, 9.0, 9.0]  # the survivor is a parent, too
    assert batch.memory["fitness"][0].tolist() == [7.0, 6.0, 6.5]
    batch = attack.update(batch, worse, torch.full((2, 2), 8.0))
    assert batch.memory["idle"].tolist() == [0.0, 0.0]


def test_the_fitness_is_the_log_odds() -> None:
    z = torch.randn(6, 4, generator=generator(3), dtype=torch.float64)
    label, target_class = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([1, 2, 3, 0, 2, 3])
    p = torch.softmax(z, 1)
    of = [float(p[k, c]) for k, c in enumerate(label.tolist())], [float(p[k, c]) for k, c in enumerate(target_class.tolist())]
    attack = Genetic()
    assert torch.allclose(
        attack.score(z, label, None), torch.tensor([math.log((1 - q) / q) for q in of[0]], dtype=torch.float64)
    )
    assert torch.allclose(
        attack.score(z, label, target_class), torch.tensor([math.log(q / (1 - q)) for q in of[1]], dtype=torch.float64)
    )


@pytest.mark.parametrize(("queries", "population", "asked"), [(40, 6, 40), (43, 6, 40), (7, 8, 7), (2, 3, 2)])
def test_the_budget_holds_and_no_gradient_is_asked_for(queries: int, population: int, asked: int, trained: Trained) -> None:
    class NoGradient(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not torch.is_grad_enabled() or len(x) == 1
            return trained[0](x).detach()

    model = QueryCounter(NoGradient())
    attack = load_attack("genetic").with_options(queries=queries, population=population)
    attack(model, trained[1][:20], trained[2][:20], eps=0.05, full=True, batch_size=16)
    assert (model.forwards, model.backwards) == (20 * asked + 1, 0)


class Votes(nn.Module):
    """What a vote of five linear members gives: numbers of votes, in which no gradient is."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(9, 5, dtype=torch.float64, generator=generator(4)))

    def forward(self, x: Tensor) -> Tensor:
        ones = (x.flatten(1) @ self.w > 0).double().sum(1)
        return torch.stack([5 - ones, ones], dim=1)


def test_it_works_through_a_vote() -> None:
    model = Votes()
    x = 0.3 * torch.randn(60, 1, 3, 3, dtype=torch.float64, generator=generator(5))
    with torch.no_grad():
        y = model(x).argmax(1)
        found = load_attack("genetic").with_options(queries=500)(model, x, y, eps=0.2, bounds=(-9.0, 9.0))
        noise = load_attack("noise")(model, x, y, eps=0.2, bounds=(-9.0, 9.0))
        fooled, by_chance = (model(images).argmax(1) != y for images in (found, noise))
    assert float(fooled.double().mean()) > float(by_chance.double().mean()) + 0.2


@pytest.mark.parametrize("aimed", [False, True])
def test_on_a_linear_network_it_comes_near_the_closed_form_from_above(aimed: bool) -> None:
    w = torch.randn(9, dtype=torch.float64, generator=generator(4))

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([torch.zeros(len(x), dtype=x.dtype), x.flatten(1) @ w], dim=1)

    x, wide = torch.randn(60, 1, 3, 3, dtype=torch.float64, generator=generator(5)), (-9.0, 9.0)
    y = Linear()(x).argmax(1)
    max_gain, targets = 0.2 * float(w.abs().sum()), 1 - y if aimed else None
    robust = (x.flatten(1) @ w).abs() > max_gain
    attack = load_attack("genetic").with_options(queries=1000)
    left = Linear()(attack(Linear(), x, y, eps=0.2, bounds=wide, targets=targets)).argmax(1) == y
    assert 0.2 < float(robust.double().mean()) < 0.8
    assert bool((left | ~robust).all()) and float(left.double().mean()) <= float(robust.double().mean()) + 0.05
    found = attack(Linear(), x, y, eps=0.2, bounds=wide, targets=targets, full=True)
    moved = ((x - found).flatten(1) @ w).abs() / max_gain
    assert float(moved.max()) <= 1 + 1e-9 and float(moved.min()) > 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"population": 2}, "`population` is 2"),
        ({"population": 9, "queries": 5}, "`population` is 9"),
        ({"temperature": 0.0}, "`temperature` must be above 0, not 0.0"),
        ({"queries": -1}, "`queries` is -1"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("genetic").with_options(**options)
    assert words in caught.value.message and caught.value.hint


def test_each_image_has_draws_of_its_own(trained: Trained) -> None:
    x, y = trained[1][:1].repeat(3, 1, 1, 1), trained[2][:1].repeat(3)
    found = load_attack("genetic").with_options(queries=20)(trained[0], x, y, eps=0.01, full=True)
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[1], found[2])
