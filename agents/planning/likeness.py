"""How much each training day counts for a day that looks like it.

==============  ===================================================================================
``neighbours``  1 for each of the k training days whose features are nearest, 0 for the others
``forest``      the mean, over the trees of a forest, of 1/(days in the leaf) where both days fall into one leaf
``kernel``      those of kernel ridge regression: smooth in the features, and negative for some days
==============  ===================================================================================

The first two are those of Bertsimas and Kallus (2020). The third is not among theirs, since a negative weight is no probability.

The forest is fitted to whole profit curves, so that days fall into one leaf if they earn alike at all charges. scikit-learn fits it; what
it found is kept as plain arrays, which are read without scikit-learn and go into an ONNX file like a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...envs.arrays import Array
from ...envs.packages import research_package
from ..curves.network import alike


class Neighbours(nn.Module):
    """Weights of the k nearest of D training days.

    Args:
        centres: Features of those days, shape (D, F).
        k: How many count.
    """

    def __init__(self, centres: Array, k: int) -> None:
        super().__init__()
        self.centres: Tensor
        self.register_buffer("centres", torch.as_tensor(centres, dtype=torch.float64))
        self._k = min(k, len(centres))

    def forward(self, features: Tensor) -> Tensor:
        """Return the weights, shape (B, D), for features, shape (B, F)."""
        square = (features**2).sum(dim=1)[:, None] + (self.centres**2).sum(dim=1) - 2.0 * features @ self.centres.T
        nearest = square.topk(self._k, dim=1, largest=False).indices
        return torch.zeros_like(square).scatter(1, nearest, 1.0 / self._k)


class Kernel(nn.Module):
    """Weights of D training days by kernel ridge regression with a Gaussian kernel: they sum to 1 where days are many, and may be negative.

    Args:
        centres: Features of those days, shape (D, F).
        width: Distance of features at which days are no longer alike.
        ridge: Variance of a day around what its features say.
        scales: What features are multiplied by, shape (F,); nothing if absent.
    """

    def __init__(self, centres: Array, width: float, ridge: float, scales: Tensor | None = None) -> None:
        super().__init__()
        self.centres: Tensor
        self.solved: Tensor
        self.scales: Tensor
        self.register_buffer("scales", torch.ones(centres.shape[1], dtype=torch.float64) if scales is None else scales)
        self._width, self._ridge = width, ridge
        self.register_buffer("centres", torch.as_tensor(centres, dtype=torch.float64) * self.scales)
        each = torch.eye(len(centres), dtype=torch.float64)
        self.register_buffer("solved", torch.linalg.solve(self.matrix(), each - 1.0 / len(centres)))

    def matrix(self) -> Tensor:
        """Return how alike the D days are, the ridge on the diagonal, shape (D, D)."""
        return alike(self.centres, self.centres, self._width) + self._ridge * torch.eye(len(self.centres), dtype=torch.float64)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weights, shape (B, D), for features, shape (B, F)."""
        return 1.0 / self.centres.shape[0] + alike(features * self.scales, self.centres, self._width) @ self.solved


class Forest(nn.Module):
    """Weights of D training days by the leaves they share with a day.

    Args:
        trees: scikit-learn's fitted trees, each with the arrays of its nodes.
        leaves: In which leaf of each tree each training day lies, shape (D, trees).
    """

    def __init__(self, trees: list[Any], leaves: Array) -> None:
        super().__init__()
        size = max(tree.node_count for tree in trees)
        names = ("split_on", "threshold", "left", "right")
        nodes: dict[str, list[Array]] = {name: [] for name in names}
        for tree in trees:
            own, room = np.arange(tree.node_count), size - tree.node_count
            ends = tree.children_left < 0
            found = {
                "split_on": np.where(ends, 0, tree.feature),
                "threshold": np.where(ends, 0.0, tree.threshold),
                "left": np.where(ends, own, tree.children_left),  # a leaf leads to itself
                "right": np.where(ends, own, tree.children_right),
            }
            for name in names:
                nodes[name].append(np.pad(found[name], (0, room)))
        self.depth = max(tree.max_depth for tree in trees)
        self.threshold: Tensor
        self.split_on: Tensor
        self.left: Tensor
        self.right: Tensor
        self.leaves: Tensor
        self.share: Tensor
        for name in names:
            kind = torch.float64 if name == "threshold" else torch.int64
            self.register_buffer(name, torch.as_tensor(np.array(nodes[name]), dtype=kind))
        within = np.array(leaves).T  # (trees, D)
        share = [1.0 / np.bincount(row, minlength=size)[row] for row in within]
        self.register_buffer("leaves", torch.as_tensor(within, dtype=torch.int64))
        self.register_buffer("share", torch.as_tensor(np.array(share), dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """Return the weights, shape (B, D), for features, shape (B, F)."""
        seen = features.float().double()  # as scikit-learn compares them
        trees = torch.arange(self.left.shape[0])
        node = torch.zeros((features.shape[0], self.left.shape[0]), dtype=torch.int64)
        for _ in range(self.depth):
            goes_left = seen.gather(1, self.split_on[trees, node]) <= self.threshold[trees, node]
            node = torch.where(goes_left, self.left[trees, node], self.right[trees, node])
        same = (node[:, :, None] == self.leaves).double()  # (B, trees, D)
        return (same * self.share).mean(dim=1)


Likeness = Neighbours | Kernel | Forest


def fitted_forest(features: Array, curves: Array, *, trees: int, least_leaf: int, share: float, seed: int) -> Forest:
    """Fit a forest of extremely randomised trees to profit curves.

    Args:
        features: Of D training days, shape (D, F).
        curves: What each earns at several charges, in its own worth, shape (D, levels).
        trees: How many.
        least_leaf: Training days in a leaf at least.
        share: Of the features, looked at for each split.
        seed: Of the forest.

    Raises:
        MissingPackageError: If scikit-learn is missing.
    """
    ensemble = research_package("sklearn.ensemble", "a forest")
    forest = ensemble.ExtraTreesRegressor(trees, min_samples_leaf=least_leaf, max_features=share, random_state=seed)
    forest.fit(features, curves)
    return Forest([each.tree_ for each in forest.estimators_], forest.apply(features))
