"""The bundled default: 1,797 handwritten digits of 8x8 pixels by 43 writers, scikit-learn's load_digits.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, with_held_out_test
from dlcli.core.data.base import LOAD_DEFAULTS, Array, ImageData, LoadOptions

DESCRIPTION = "digits"

_TEST_SHARE = 1 / 3
_MAX_VALUE = 16  # a pixel counts the inked dots of a 4x4 block


def claims(spec: str) -> bool:
    """Whether `spec` is the name `digits`."""
    return spec == "digits"


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load images (n, 1, 8, 8); a fixed third of each class is the test set."""
    table = _table()
    images, labels = table[:, :-1].reshape(-1, 8, 8) / _MAX_VALUE, table[:, -1].astype(np.int64)
    return with_held_out_test(spec, LabelledArrays(images, labels), _TEST_SHARE)


def _table() -> Array:
    """(1797, 65): 64 pixels, row by row, and the label."""
    package = find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or [""]
    file = Path(folders[0], "datasets", "data", "digits.csv.gz")
    # Importing scikit-learn takes more CPU time than training a network on these images.
    return np.loadtxt(file, delimiter=",") if file.is_file() else _table_by_import()


def _table_by_import() -> Array:
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.column_stack([found.data, found.target])
