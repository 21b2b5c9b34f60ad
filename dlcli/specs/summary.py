"""Summary of a network: its layers, their sizes and the totals."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """A layer as called for one image.

    `output` is the shape of what it returns without the batch, `parameters` are its own, `multiply_adds` those of
    convolutions and matrix products (others count 0), `receptive_field` is in input pixels, one entry per spatial axis:
    empty where the layer has no window or its field is unbounded. `attends_to` is `whole image` or `part of image` for
    attention, else empty.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] = ()
    attends_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Layers and totals of a network, for one image of shape `input` (c, h, w).

    `receptive_field` is that of the last layer with a window, and may exceed the image; `effective_field` is the side in
    pixels of the square with the area of the effective receptive field (None: no gradient reached the input).
    """

    input: tuple[int, ...]
    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    receptive_field: tuple[int, ...]
    effective_field: float | None
