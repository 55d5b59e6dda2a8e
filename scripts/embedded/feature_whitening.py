"""Whitening of a trained network's own embedding, folded into its last layer."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from feature_net import FeatureNet
from feature_rows import Rows
from feature_targets import inverse_root, labelled_rows
from feature_tests import Embed
from torch import Tensor

SIDE = 224
SHRINK = 0.3
LABELLED_ROWS, OF_A_LABEL, VIEWED_ROWS = 3000, 12, 2500
SEED = 3


@torch.no_grad()
def whiten_last(net: FeatureNet, rows: Rows, embed: Embed) -> None:
    """Make what tells rows of one label apart, and a product from its photos, alike in all
    directions of the embedding; in place. `embed` runs `net`."""
    by_label, by_view = _within_labels(rows, embed), _within_views(rows, embed)
    spread = by_label / by_label.trace() + by_view / by_view.trace()
    white = inverse_root(spread, SHRINK)
    last = net.last
    assert last.bias is not None
    kernel, bias = white @ last.weight.flatten(1), white @ last.bias
    # Embeddings keep their mean length, which training put at 1.
    scale = spread.diagonal().mean().sqrt()
    last.weight.copy_((kernel * scale).view_as(last.weight))
    last.bias.copy_(bias * scale)


def _within_labels(rows: Rows, embed: Embed) -> Tensor:
    """Covariance (d, d) of unit embeddings about the mean of their label."""
    rng = np.random.default_rng(SEED)
    chosen, number = (part.numpy() for part in labelled_rows(rows))
    some = [
        rng.permutation(np.flatnonzero(number == label))[:OF_A_LABEL]
        for label in range(number.max() + 1)
    ]
    picks = rng.permutation(np.concatenate(some))[:LABELLED_ROWS]
    found = F.normalize(embed(np.stack([rows.view(i, SIDE) for i in chosen[picks]])), dim=1)
    label = torch.from_numpy(number[picks])
    sums = torch.zeros(int(label.max()) + 1, found.shape[1]).index_add_(0, label, found)
    apart = found - (sums / torch.bincount(label).clamp_min(1)[:, None])[label]
    return apart.T @ apart / len(apart)


def _within_views(rows: Rows, embed: Embed) -> Tensor:
    """Half the covariance (d, d) of the differences between products and their photos."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(rows.train, VIEWED_ROWS, p=rows.chance)
    clean = F.normalize(embed(np.stack([rows.view(i, SIDE) for i in chosen])), dim=1)
    apart = F.normalize(embed(rows.photos(chosen, SIDE, rng)), dim=1) - clean
    return apart.T @ apart / (2 * len(apart))
