"""The rules of inflation, one module per rule.

Each has `TAPS`, the kernel size along time (None: that of the spatial kernel), `DILATIONS` along time, `choose_layers`, which
layers become temporal, and `inflate_weight`, how a weight is laid out along time.
"""
