"""Registries list names without importing, and every entry can be imported."""

import subprocess
import sys

import pytest

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry

REGISTRIES = [
    ("attack", "dlcli.core.attacks.methods"),
    ("model", "dlcli.core.models.zoo"),
    ("data source", "dlcli.core.data.sources"),
    ("vectors", "dlcli.core.text.vectors.encoders"),
    ("surgery", "dlcli.core.surgery.operations"),
]


@pytest.mark.parametrize(("kind", "package"), REGISTRIES)
def test_every_entry_imports_and_names_are_sorted(kind: str, package: str):
    registry = Registry(kind, package)
    names = registry.names()
    assert names and list(names) == sorted(names) and "base" not in names
    assert all(registry.module(name).__name__ == f"{package}.{name.replace('-', '_')}" for name in names)


@pytest.mark.parametrize(("kind", "package"), REGISTRIES)
def test_listing_names_imports_nothing_heavy(kind: str, package: str):
    code = (
        f"import sys; from dlcli.support.registry import Registry; Registry({kind!r}, {package!r}).names()\n"
        "print([name for name in ('torch', 'numpy', 'scipy', 'sklearn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_unknown_name_tells_the_nearest_or_all():
    attacks = Registry("attack", "dlcli.core.attacks.methods")
    with pytest.raises(UsageError) as near:
        attacks.module("fgmm")
    assert near.value.hint == "did you mean fgsm?"
    with pytest.raises(UsageError) as far:
        attacks.module("zzz")
    assert all(name in far.value.hint for name in attacks.names())
