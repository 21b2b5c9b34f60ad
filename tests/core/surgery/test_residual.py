"""Surgery on residual blocks, against the same sums written out."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.layers.mlp_stack import mlp_stack
from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError
from tests.core.surgery.networks import Flat, Functional, Shared, residual


def _branch(block, x):
    return block.conv3(F.relu(block.conv2(F.relu(block.bn1(block.conv1(x))))))


def _shortcut(block, x):
    return x if block.down is None else block.down(x)


def _head(model, h):
    return model[7](h.mean((2, 3)))


@pytest.mark.parametrize("block", [Shared, Functional])
@pytest.mark.parametrize("factor", [0.1, 1.0, 2.5])
def test_branches_are_scaled(block, factor, sample):
    model = residual(block).eval()
    done, (note,) = apply_surgery(model, [f"residual-scale={factor}"], sample)
    assert note == f"residual-scale={factor}: 2 residual branches scaled by {factor:g}"
    x = torch.rand(3, 1, 8, 8)
    h = F.relu(model[0](x))
    for part in (model[2], model[3]):
        h = F.relu(factor * _branch(part, h) + _shortcut(part, h))
    assert torch.allclose(done(x), _head(model, h), atol=1e-6)


def test_both_orders_of_the_sum_in_the_networks_own_code(sample):
    model = Flat()
    done, _ = apply_surgery(model, ["residual-scale=0.3"], sample)
    x = torch.rand(3, 1, 8, 8)
    h = x.flatten(1)
    h = F.relu(h + 0.3 * model.a(h))
    h = F.relu(h + 0.3 * model.b(h))
    assert torch.allclose(done(x), model.head(h), atol=1e-6)


def test_the_stack_of_that_beta_is_the_same(sample):
    with torch.random.fork_rng():
        scaled = mlp_stack("resnet", 64, 5, 6, width=20, beta=0.1)
    whole = mlp_stack("resnet", 64, 5, 6, width=20)
    whole.load_state_dict(scaled.state_dict())
    done, _ = apply_surgery(whole.eval(), ["residual-scale=0.1"], sample)
    x = torch.rand(3, 1, 8, 8)
    assert torch.allclose(done(x), scaled.eval()(x), atol=1e-6)


def test_k_branches_are_summed(sample):
    model = residual().eval()
    done, _ = apply_surgery(model, ["multi-residual=3"], sample)
    x = torch.rand(3, 1, 8, 8)
    h = F.relu(model[0](x))
    for part in (done[2], done[3]):
        assert len(part.residuals) == 2
        twins = [_branch(twin, h) for twin in part.residuals]
        h = F.relu(_branch(part, h) + _shortcut(part, h) + sum(twins))
    assert torch.allclose(done(x), _head(model, h), atol=1e-5)


def test_the_twins_have_no_shortcut_and_weights_of_the_same_spread():
    model = nn.Sequential(nn.Conv2d(1, 64, 1), Shared(64, 32, 2))
    done, _ = apply_surgery(model, ["multi-residual=2"], torch.rand(1, 1, 8, 8))
    twin = done[1].residuals[0]
    own = sum(p.numel() for path, p in model[1].named_parameters() if not path.startswith("down"))
    assert sum(p.numel() for p in twin.parameters()) == own
    ratio = twin.conv1.weight.square().mean() / model[1].conv1.weight.square().mean()
    assert ratio.item() == pytest.approx(1.0, abs=5 * (2 / twin.conv1.weight.numel()) ** 0.5)
    assert not torch.equal(twin.conv1.weight, model[1].conv1.weight)


def test_a_block_that_is_called_twice_is_refused(sample):
    block = Shared()
    with pytest.raises(InputError, match="1 does several residual sums, or is called several times"):
        apply_surgery(nn.Sequential(nn.Conv2d(1, 4, 1), block, nn.ReLU(), block), ["multi-residual=2"], sample)


def test_paths_are_drawn_anew_each_batch_and_rescaled():
    """A branch that gives 1 shows by the sum which blocks worked and by what each was multiplied."""
    blocks = 6
    model = nn.Sequential(*(_One() for _ in range(blocks)))
    done, (note,) = apply_surgery(model, ["effective-paths=2-3"], torch.rand(1, 1, 1, 1))
    assert note == "effective-paths=2-3: 2 to 3 of 6 residual blocks work in each mini-batch"
    done.train()
    x = torch.zeros(1, 1, 1, 1)
    counts, used = {}, torch.zeros(blocks)
    for _ in range(400):
        done(x)  # which draws
        states = [x]
        for block in done:
            states.append(block(states[-1]))
        added = torch.cat([after - before for before, after in pairwise(states)]).flatten().detach()
        working = added > 0
        m = int(working.sum())
        assert torch.allclose(added[working], torch.full((m,), (blocks / m) ** 0.5))
        counts[m] = counts.get(m, 0) + 1
        used += working
    assert set(counts) == {2, 3} and 140 < counts[2] < 260  # 200 expected, deviation 10
    assert bool(((used / 400 - 2.5 / 6).abs() < 0.12).all())  # deviation below 0.025
    assert torch.equal(done.eval()(x), model(x))


class _One(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.ones_(self.conv.bias)

    def forward(self, x):
        return x + self.conv(x)


def test_dropped_branches_get_no_gradient(sample):
    done, _ = apply_surgery(residual(), ["effective-paths=3-3"], sample)
    done.train()
    seen = set()
    for _ in range(20):
        done.zero_grad()
        done(torch.rand(4, 1, 8, 8)).square().sum().backward()
        seen.add(tuple(bool(done[k].conv2.weight.grad.any()) for k in (2, 3)))
    assert seen == {(True, False), (False, True)}


def test_both_sums_of_multi_residual_blocks_can_be_drawn(sample):
    done, notes = apply_surgery(residual().eval(), ["multi-residual=2", "residual-scale=0.0001"], sample)
    assert notes[1].startswith("residual-scale=0.0001: 4 residual branches")
    x = torch.rand(3, 1, 8, 8)
    h = F.relu(done[0](x))
    for part in (done[2], done[3]):
        h = F.relu(_shortcut(part, h))
    assert torch.allclose(done(x), _head(done, h), atol=1e-3)
