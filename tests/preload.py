"""What a process forked from the fork server finds imported: the heavy packages, and all of dlcli; see `program`."""

import gc
import pkgutil
from contextlib import suppress
from importlib import import_module

import dlcli

HEAVY = (
    "av",
    "matplotlib.figure",
    "numpy",
    "PIL.Image",
    "pyarrow.parquet",
    "pydantic",
    "rich.progress",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch",
    "torchvision",
    "typer",
)

for name in HEAVY:
    with suppress(ImportError):  # av and pyarrow are extras
        import_module(name)
for module in pkgutil.walk_packages(dlcli.__path__, "dlcli."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
# A collection in a forked process would look through all of this, and copy the pages on which it keeps its counts.
gc.collect()
gc.freeze()
