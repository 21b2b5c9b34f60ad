"""The rules of inflation: `TAPS` (None: as many as the kernel is wide), `DILATIONS`, `choose` and `spread` in each module."""
