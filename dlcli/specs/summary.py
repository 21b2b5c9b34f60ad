"""What a network is made of, in plain figures."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, in the order in which they are called, for one image.

    `output` is the shape of what it returns without the batch, `parameters` are its own, `multiply_adds` those of
    convolutions and linear layers (others count 0), `receptive_field` is in input pixels, an entry a spatial axis: none
    where the layer has no window, or sees more than windows can bound.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A network's layers and totals, for one image of shape `input` (c, h, w).

    `receptive_field` is that of the last layer with a window, which may reach beyond the image; `effective_field` is the side
    in pixels of the square as large as the area of it that counts (None: no gradient arrived).
    """

    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    receptive_field: tuple[int, ...]
    effective_field: float | None
