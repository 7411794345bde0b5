"""A training whose weights are no numbers any more says so, whatever it first trips over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from ...agents.learned.sbx import largest_weight

_LARGE: Final = 1e5
"""A weight beyond this has been thrown there: what is observed and charged is of order 1."""


@contextmanager
def saying_so_where_it_diverges(learner: BaseAlgorithm) -> Iterator[None]:
    """Raise one error where a learner's weights are, or lead to, no finite numbers; other errors go through.

    Raises:
        ValueError: If the training has diverged.
    """
    try:
        yield
    except Exception:
        if not _largest_weight(learner) < _LARGE:
            raise _diverged(learner) from None
        raise
    if not _largest_weight(learner) < float("inf"):
        raise _diverged(learner)


def _largest_weight(learner: BaseAlgorithm) -> float:
    """Return the largest absolute weight of a learner, NaN where one is NaN."""
    if not (weights := [weight for weight in learner.policy.parameters() if weight.numel()]):  # SBX's policies hold theirs in JAX
        return largest_weight(learner.policy)
    return float(torch.stack([weight.detach().abs().max() for weight in weights]).max())


def _diverged(learner: BaseAlgorithm) -> ValueError:
    return ValueError(
        f"the training diverged: after {learner.num_timesteps} steps the largest weight is {_largest_weight(learner):.3g}. "
        f"Lower `learning_rate`, which is {learner.learning_rate}."
    )
