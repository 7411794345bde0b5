"""Networks of plain layers without autograd: what they answer, how that changes with their weights, and Adam's step.

Networks of two hidden layers are small. PyTorch spends most of a gradient step on its graph, and on one call for each array of weights.
Here the weights of all networks of one optimiser lie in one vector, and derivatives are written out. Operations and their order are
those of PyTorch's own, so that numbers stay equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

Layer = tuple[Tensor, Tensor]
"""Weights, shape (out, in), and biases, shape (out,)."""
_ALIGNED: Final = 16
"""Arrays in a vector begin at multiples of so many numbers: how products are added up may depend on where in a line of cache they begin."""


class Vector:
    """Arrays that lie in one vector.

    Args:
        arrays: What is copied into it.

    Attributes:
        whole: The vector; what lies between its arrays is 0.
        parts: Views of it, of the arrays' shapes.
    """

    def __init__(self, arrays: Sequence[Tensor]) -> None:
        places, end = [], 0
        for array in arrays:
            places.append(end)
            end += -(-array.numel() // _ALIGNED) * _ALIGNED
        self.whole = torch.zeros(end)
        self.parts = [self.whole[place : place + array.numel()].view(array.shape) for place, array in zip(places, arrays, strict=True)]
        torch._foreach_copy_(self.parts, list(arrays))  # one call for all of them, as PyTorch's optimisers have it
        self._arrays = list(arrays)

    def put_back(self) -> None:
        """Copy the parts to where they came from."""
        torch._foreach_copy_(self._arrays, self.parts)

    @property
    def layers(self) -> list[Layer]:
        """The parts in pairs, weights and biases, as the parameters of linear layers are ordered."""
        return list(zip(self.parts[::2], self.parts[1::2], strict=True))


class Adam:
    """The state of one of PyTorch's Adams, taken over for some steps.

    Args:
        optimizer: Of one group of parameters, without weight decay.

    Attributes:
        values: The parameters.
        gradients: To be written before each :meth:`step`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        [group] = optimizer.param_groups
        self._rate, self._betas, self._epsilon = group["lr"], group["betas"], group["eps"]
        parameters = group["params"]
        for parameter in parameters:
            if not optimizer.state[parameter]:
                moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                optimizer.state[parameter].update({"step": torch.tensor(0.0), **moments})
        self._states = [optimizer.state[parameter] for parameter in parameters]
        self._taken = int(self._states[0]["step"])
        self.values = Vector([parameter.detach() for parameter in parameters])
        self.gradients = Vector([torch.zeros_like(parameter) for parameter in parameters])
        self._mean, self._square = (Vector([state[name] for state in self._states]) for name in ("exp_avg", "exp_avg_sq"))

    def step(self) -> None:
        """Change the values by the gradients."""
        self._taken += 1
        first, second = self._betas
        mean, square, gradient = self._mean.whole, self._square.whole, self.gradients.whole
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = (square.sqrt() / (1 - second**self._taken) ** 0.5).add_(self._epsilon)
        self.values.whole.addcdiv_(mean, scale, value=-self._rate / (1 - first**self._taken))

    def put_back(self) -> None:
        """Give parameters and state back to the optimiser."""
        for vector in (self.values, self._mean, self._square):
            vector.put_back()
        for state in self._states:
            state["step"].fill_(self._taken)


def hidden(layers: Sequence[Layer], shown: Tensor) -> list[Tensor]:
    """Return what is shown to each of some layers with ReLU, and last what they answer, each of shape (rows, its size)."""
    seen = [shown]
    for layer in layers:
        seen.append(linear(layer, seen[-1]).relu_())
    return seen


def linear(layer: Layer, shown: Tensor) -> Tensor:
    """Return what a layer without ReLU answers, shape (rows, out), to what it is shown, shape (rows, in)."""
    weights, biases = layer
    return torch.addmm(biases, shown, weights.t())


def weigh(layer: Layer, shown: Tensor, slope: Tensor) -> None:
    """Write the derivatives with respect to a layer's weights and biases.

    Args:
        layer: Takes them.
        shown: What the layer was shown, shape (rows, in).
        slope: Derivatives with respect to what it answered, shape (rows, out).
    """
    weights, biases = layer
    torch.mm(slope.t(), shown, out=weights)
    torch.sum(slope, 0, out=biases)


def back(layers: Sequence[Layer], seen: Sequence[Tensor], slope: Tensor, gradients: Sequence[Layer] | None) -> Tensor:
    """Go back through layers with ReLU, and return the derivatives with respect to what the first is shown, shape (rows, in).

    Args:
        layers: Those of :func:`hidden`.
        seen: What it returned.
        slope: Derivatives with respect to what the last answered, shape (rows, out).
        gradients: Take the derivatives with respect to the weights, where these are asked for. Those with respect to what the first is
            shown are then left out, and what is returned means nothing.
    """
    for number in range(len(layers) - 1, -1, -1):
        slope = torch.ops.aten.threshold_backward(slope, seen[number + 1], 0)
        if gradients is not None:
            weigh(gradients[number], seen[number], slope)
        if number or gradients is None:
            slope = slope.mm(layers[number][0])
    return slope
