"""The counter of copies and synchronisations counts each kind."""

import pytest
import torch

from tests.core.transfers import META, Transfers

HOST, THERE = torch.zeros(5), torch.zeros(5, device=META)


@pytest.mark.parametrize(
    "copy",
    [
        lambda: HOST.to(META),
        lambda: THERE.copy_(HOST),
        lambda: torch.tensor([0.0] * 5, device=META),
        lambda: THERE.new_tensor([0.0] * 5),
    ],
)
def test_copies_to_the_device_are_counted(copy):
    with Transfers() as seen:
        copy()
    assert (seen.copies, seen.bytes) == (1, 20)


@pytest.mark.parametrize(
    "work",
    [
        lambda: HOST.to(META, non_blocking=True),
        lambda: THERE + 1,
        lambda: torch.full((), 1.0, device=META),
        lambda: THERE.masked_fill(THERE > 0, 1),
        lambda: THERE.index_put((THERE > 0,), torch.zeros((), device=META)),
        HOST.clone,
    ],
)
def test_other_work_is_not(work):
    with Transfers() as seen:
        work()
    assert (seen.copies, seen.synchronised) == (0, [])


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.unique(),
        lambda x: torch.equal(x, x + 1),
        lambda x: x.masked_select(x > 0),
    ],
)
def test_reading_a_value_is_a_synchronisation(read):
    for device, count in ((HOST.device, 1), (META, 0)):
        with Transfers(device) as seen:
            read(torch.arange(3.0))
        assert len(seen.synchronised) == count
