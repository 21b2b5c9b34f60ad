"""The gradient of a batch's loss, by foreign code: in the memory layout it takes, in as many parts as memory needs."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.compute.batches import if_it_fits
from dlcli.core.compute.forward import explained_failures
from dlcli.core.training.outputs import training_outputs
from dlcli.core.training.recipe import Recipe
from dlcli.core.training.state import random_state, set_random_state
from dlcli.core.training.trainable import check_loss, in_layout
from dlcli.support.errors import InputError


class BatchGradients:
    """Leaves gradients in the parameters of `model`, whose memory layout is `layout`, for `optimizer` to step by.

    A batch that runs out of memory is repeated in twice as many `parts`, whose gradients are accumulated. With `dtype`
    bfloat16 the forward and backward pass run in it, by autocast. `class_weights` (classes,) weigh the loss. Labels are whole
    numbers (n,), or shares of classes (n, classes).

    `auxiliary` is how many auxiliary outputs the last batch had, and with what weight their losses were added.
    """

    layout: torch.memory_format = torch.channels_last
    """How the weights lie in memory while they are trained; contiguous if the network's code needs that."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        recipe: Recipe,
        dtype: torch.dtype,
        device: torch.device,
        class_weights: Tensor | None,
    ) -> None:
        self.model, self.optimizer, self.recipe = model, optimizer, recipe
        self.dtype, self.device, self.class_weights = dtype, device, class_weights
        self.parts = 1
        self.auxiliary = 0, 0.0
        self._has_run = False

    def backward(self, prepare: Callable[[], tuple[Tensor, Tensor]], n: int) -> Tensor:
        """Leave the gradient of the mean loss over `n` examples in the parameters, and return that loss.

        `prepare()` gives inputs and labels; it is called again for each attempt. The first one decides whether the network's
        code needs contiguous tensors.
        """

        def attempt() -> Tensor:
            return self._gradients(*prepare())

        if self._has_run or self.layout is torch.contiguous_format:
            return self._with_room(attempt, n)
        random, buffers = random_state(self.device), [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        try:
            loss = self._with_room(attempt, n)
        except InputError:
            self._to_contiguous()
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
            set_random_state(random, self.device)
            loss = self._with_room(attempt, n)
        self._has_run = True
        return loss

    def _to_contiguous(self) -> None:
        self.layout = torch.contiguous_format
        in_layout(self.model, self.layout)
        for values in self.optimizer.state.values():  # a fused optimizer goes through weights and state alike, byte by byte
            values.update({name: value.contiguous() for name, value in values.items() if isinstance(value, Tensor)})

    def _with_room(self, attempt: Callable[[], Tensor], n: int) -> Tensor:
        """What `attempt` gives, once `n` examples are in as many parts as it takes."""
        while True:
            # A failed attempt may have drawn dropout masks already; the next one must draw the same.
            random = random_state(self.device)
            loss = if_it_fits(attempt, self.device, divisible=self.parts < n)
            if loss is not None:
                return loss
            # Later steps keep the number of parts, for they would run out of memory too.
            self.parts *= 2
            set_random_state(random, self.device)

    def _gradients(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        whole, parts, losses = self._weight(y), min(self.parts, len(y)), []
        for images, labels in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):
            with explained_failures(self.model, images):
                loss = self._loss_of_part(images, labels)
                if parts > 1:
                    # Mean losses of parts add up to that of the batch if each counts by its share: parts may differ in size,
                    # and with class weights in the weight of their labels.
                    loss = loss * (self._weight(labels) / whole)
                torch.autograd.backward(loss.sum())
            losses.append(loss.detach())
        return sum(losses[1:], losses[0])

    def _loss_of_part(self, images: Tensor, labels: Tensor) -> Tensor:
        # bfloat16 has the exponents of float32, so gradients do not underflow and the loss needs no scaling as in float16.
        # It has 8 significant bits, so the loss is computed, and gradients are added up, in float32.
        with nullcontext() if self.dtype == torch.float32 else torch.autocast(images.device.type, dtype=self.dtype):
            found = training_outputs(self.model(images if self.layout is torch.channels_last else images.contiguous()))
        loss = self._loss(found.logits.float(), labels)
        for auxiliary in found.auxiliary:
            loss = loss + found.weight * self._loss(auxiliary.float(), labels)
        self.auxiliary = len(found.auxiliary), found.weight
        check_loss(loss)
        return loss

    def _loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The mean loss: one value, or one for each network."""
        weights, smoothing = self._output_weights(logits.shape[1]), self.recipe.label_smoothing
        if not y.is_floating_point():
            return F.cross_entropy(logits, y, weight=weights, label_smoothing=smoothing)
        # Shares of classes, of which a network may have more outputs than there are; torch would divide by their number, not
        # by their weight.
        shares = F.pad(y, (0, logits.shape[1] - y.shape[1]))
        return F.cross_entropy(logits, shares, weight=weights, label_smoothing=smoothing, reduction="sum") / self._weight(y)

    def _output_weights(self, outputs: int) -> Tensor | None:
        """The class weights, and 1 for every output that stands for no class, as without weights."""
        weights = self.class_weights
        return None if weights is None else F.pad(weights, (0, outputs - len(weights)), value=1.0)

    def _weight(self, y: Tensor) -> Tensor | int:
        """Denominator of the mean loss over `y`."""
        if self.class_weights is None:
            return len(y)
        return (y @ self.class_weights).sum() if y.is_floating_point() else self.class_weights[y].sum(0)
