"""stable-baselines3's SAC, its gradient steps written out.

The learner is that of stable-baselines3 in all but :meth:`SAC.train`: networks, memory, checkpoints, sources of chance. The steps are the
same as well, to the last bit where PyTorch's kernels are (a test compares them), and take a third of the time: see :mod:`.layers`, and
:mod:`.soft` for what they leave out.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import stable_baselines3
import torch
from torch import Tensor

from .critics import learn_values, least_value
from .soft import Critics, take_steps


class SAC(stable_baselines3.SAC):
    """SAC of plain layers with ReLU, a temperature that is learned, and one action for each row, on the processor.

    Arguments are those of stable-baselines3's, whose models it saves and loads.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take gradient steps, as stable-baselines3's learner asks for them after each step of the days played side by side.

        Args:
            gradient_steps: How many.
            batch_size: Steps of days in each.
        """
        take_steps(self, _CRITICS, gradient_steps, batch_size)


def _least(answers: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the least value of each row, and the derivatives of minus its mean."""
    values = torch.cat(answers, dim=1)
    least, place = values.min(dim=1, keepdim=True)
    slopes = torch.zeros_like(values).scatter_(1, place, -1.0 / len(values))
    return least, [slopes[:, [number]] for number in range(len(answers))]


_CRITICS: Final = Critics(expect=least_value, learn=partial(learn_values, share=0.5), judge=_least)
