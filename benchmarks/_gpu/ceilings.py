"""The two ceilings that other figures are shares of: memory bandwidth and bfloat16 matrix products."""

from collections.abc import Iterator

import torch

from .rows import Row, Status, measured, not_on_cpu
from .setup import Setup
from .timing import median_seconds

BANDWIDTH, PRODUCTS = "bandwidth", "products"


def versions(setup: Setup) -> Iterator[Row]:
    """What took part; the card is named with every row."""
    note = ", ".join(f"{name} {found or 'missing'}" for name, found in setup.versions.items())
    yield Row("versions", Status.MEASURED, note=note)


def copy_bandwidth(setup: Setup) -> Iterator[Row]:
    """A copy on the device, counting bytes read and bytes written."""
    source = torch.rand(setup.size(1 << 22, 1 << 30), device=setup.device)
    target = torch.empty_like(source)
    found = 2 * source.nbytes / median_seconds(setup, {"copy": lambda: target.copy_(source)})["copy"]
    yield _ceiling(setup, BANDWIDTH, "copy bandwidth", found, 1e12, "TB/s", 2.5)


def matrix_products(setup: Setup) -> Iterator[Row]:
    """A product of square matrices of random bfloat16 numbers."""
    n, dtype = setup.size(256, 8192), torch.float32 if setup.on_cpu else torch.bfloat16
    a, b = (torch.randn(n, n, device=setup.device, dtype=dtype) for _ in range(2))
    found = 2 * n**3 / median_seconds(setup, {"product": lambda: a @ b})["product"]
    yield _ceiling(setup, PRODUCTS, f"bfloat16 products of {n:,} x {n:,}", found, 1e12, "TFLOP/s", 600)


def _ceiling(setup: Setup, key: str, name: str, found: float, scale: float, unit: str, target: float) -> Row:
    setup.ceilings[key] = found
    if setup.on_cpu:
        return not_on_cpu(name, "the figure is of this CPU, on small float32 arrays", found / scale, unit)
    return measured(name, found / scale, unit, target=target)


PARTS = (versions, copy_bandwidth, matrix_products)
