"""The gradient of a batch's loss, by foreign code: in the memory layout it takes, in as many parts as memory needs."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from dlcli.core.compute.batches import if_it_fits
from dlcli.core.compute.forward import explained_failures
from dlcli.core.objectives.base import Objective
from dlcli.core.training.outputs import TrainingOutputs, training_outputs
from dlcli.core.training.recipe import Recipe
from dlcli.core.training.state import random_state, set_random_state
from dlcli.core.training.trainable import check_loss, in_layout
from dlcli.support.errors import InputError


class BatchGradients:
    """Leaves gradients in the parameters of `model`, whose memory layout is `layout`, for `optimizer` to step by.

    A batch that runs out of memory is repeated in twice as many `parts`, whose gradients are accumulated. Where the loss is
    `joint`, that of the outputs of all parts is taken, and each part goes through the network twice: for its outputs, and for
    their gradient (Gao et al. 2021, arXiv 2101.06983). With `dtype` bfloat16 the forward and backward pass run in it, by
    autocast. Labels are what `objective` takes.

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
        objective: Objective,
    ) -> None:
        self.model, self.optimizer, self.recipe = model, optimizer, recipe
        self.dtype, self.device, self.objective = dtype, device, objective
        self.parts = 1
        self.auxiliary = 0, 0.0
        self._has_run = False

    def backward(self, prepare: Callable[[], tuple[Tensor, ...]], n: int) -> Tensor:
        """Leave the gradient of the mean loss over `n` examples in the parameters, and return that loss.

        `prepare()` gives inputs and labels, as `_loss_of` takes them; it is called again for each attempt. The first one
        decides whether the network's code needs contiguous tensors.
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

    def _gradients(self, *batch: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        x, y, parts, losses = batch[0], batch[1], min(self.parts, *map(len, batch)), []
        if parts > 1 and self.objective.joint:
            with explained_failures(self.model, x):
                return self._joint_gradients(x.tensor_split(parts), y)
        for part in zip(*(tensor.tensor_split(parts) for tensor in batch), strict=True):
            with explained_failures(self.model, part[0]):
                loss = self._loss_of(part, batch)
                torch.autograd.backward(loss.sum())
            losses.append(loss.detach())
        return sum(losses[1:], losses[0])

    def _loss_of(self, part: Sequence[Tensor], batch: Sequence[Tensor]) -> Tensor:
        """What a part of a batch, its images and labels, adds to the mean loss of the batch."""
        loss = self._whole_loss(self.outputs(part[0]), part[1])
        return loss if len(part[1]) == len(batch[1]) else loss * self._share(part[1], batch[1])

    def _share(self, labels: Tensor, every: Tensor) -> Tensor | float:
        """What a part counts for.

        Mean losses of parts add up to that of the batch if each counts by its share: parts may differ in size, and with class
        weights in the weight of their labels.
        """
        return self.objective.weight(labels) / self.objective.weight(every)

    def _joint_gradients(self, parts: Sequence[Tensor], y: Tensor) -> Tensor:
        """Leave the gradient of the loss of all `parts` together."""
        random, buffers = random_state(self.device), [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with torch.no_grad():
            found = [self.outputs(images) for images in parts]
            for buffer, before in buffers:  # each part counts once for running statistics
                buffer.copy_(before)
        set_random_state(random, self.device)  # the same dropout masks again
        whole = [
            torch.cat(one).requires_grad_() for one in zip(*((part.logits, *part.auxiliary) for part in found), strict=True)
        ]
        loss = self._whole_loss(TrainingOutputs(whole[0], tuple(whole[1:])), y)
        gradients = torch.autograd.grad(loss.sum(), whole)
        sizes = [len(part.logits) for part in found]
        for images, *of_part in zip(parts, *(gradient.split(sizes) for gradient in gradients), strict=True):
            again = self.outputs(images)
            torch.autograd.backward((again.logits, *again.auxiliary), of_part)
        return loss.detach()

    def outputs(self, images: Tensor, call: Callable[[Tensor], object] | None = None) -> TrainingOutputs:
        """What the network, or `call`, returns for images, in the precision of training, as float32."""
        # bfloat16 has the exponents of float32, so gradients do not underflow and the loss needs no scaling as in float16.
        # It has 8 significant bits, so the loss is computed, and gradients are added up, in float32.
        with nullcontext() if self.dtype == torch.float32 else torch.autocast(images.device.type, dtype=self.dtype):
            found = training_outputs(
                (call or self.model)(images if self.layout is torch.channels_last else images.contiguous())
            )
        return TrainingOutputs(found.logits.float(), tuple(auxiliary.float() for auxiliary in found.auxiliary))

    def _whole_loss(self, found: TrainingOutputs, labels: Tensor) -> Tensor:
        """The loss, to which those of auxiliary outputs are added."""
        loss = self._loss(found.logits, labels)
        for auxiliary in found.auxiliary:
            loss = loss + found.weight * self._loss(auxiliary, labels)
        self.auxiliary = len(found.auxiliary), found.weight
        check_loss(loss)
        return loss

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss: one value, or one for each network."""
        return self.objective.loss(outputs, y)
