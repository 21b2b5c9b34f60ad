"""Settings of cuBLAS, which computes matrix products on NVIDIA GPUs."""

import os


def fix_workspace() -> None:
    """Make cuBLAS compute the same matrix product to the same bits each time.

    It reads this setting of the environment with the first product on a GPU; later it has no effect. A value that is there
    already takes precedence.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
