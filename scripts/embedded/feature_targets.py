"""What the refined network has to answer: the teachers' embeddings in 512 dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from feature_rows import Rows
from torch import Tensor

DIM = 512
FLATTEN = 0.25  # principal axes are divided by their variance to this power
SPREAD = 0.02  # joins each standard deviation
SHRINK = 1.0  # of the covariance within labels: this share of its mean variance joins the diagonal
LABELLED = ("caltech101", "clothing", "groceries_box", "recycle", "foda_box", "flowers", "emoji")


class Labelled(Protocol):
    """Rows with the set and label (n,) of each, which of them are held out, and the others."""

    dataset: np.ndarray
    label: np.ndarray
    held_out: np.ndarray
    train: np.ndarray


@dataclass(frozen=True)
class Ensemble:
    """The linear map from the teachers' embeddings to 512 numbers: side by side, standardised,
    whitened within the labels of the training rows, on principal axes."""

    means: dict[str, Tensor]
    spreads: dict[str, Tensor]
    centre: Tensor
    axes: Tensor

    def __call__(self, raw: dict[str, Tensor]) -> Tensor:
        """Embeddings (n, d) of each teacher to unit vectors (n, 512)."""
        return F.normalize((torch.cat(self.units(raw), 1) - self.centre) @ self.axes, dim=1)

    def units(self, raw: dict[str, Tensor]) -> list[Tensor]:
        """The standardised embedding of each teacher, unit vectors."""
        return [_unit(raw[kind], self.means[kind], self.spreads[kind]) for kind in self.means]


def _unit(x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    return F.normalize((x - mean) / spread, dim=1)


def ensemble_targets(folder: Path, kinds: tuple[str, ...], rows: Rows) -> Tensor:
    """(n, 512) float32: what `fit_ensemble` makes of the embeddings that feature_teachers.py kept.

    Raises:
        SystemExit: the first teacher has not embedded every training row.
    """
    raw = {
        kind: torch.from_numpy(np.load(folder / f"teacher_{kind}.npy").astype(np.float32))
        for kind in kinds
    }
    if not raw[kinds[0]][rows.train, :64].any(1).all():
        raise SystemExit(f"teacher {kinds[0]} lacks rows: run feature_teachers.py again")
    return fit_ensemble(raw, rows)[1]


def fit_ensemble(raw: dict[str, Tensor], rows: Labelled) -> tuple[Ensemble, Tensor]:
    """The map, fitted on the training rows, and what it makes of all rows (n, 512): one target for
    all looks of an emoji.

    `raw` holds the embeddings (n, d) of each teacher. A row of zeros was not embedded by it; what a
    later teacher lacks is told from those before it by ridge regression.
    """
    parts: list[Tensor] = []
    means, spreads = {}, {}
    train = torch.from_numpy(rows.train)
    for kind, x in raw.items():
        seen = x[:, :64].any(1)
        fit = train.to(x.device)[seen[rows.train]]
        means[kind], spreads[kind] = x[fit].mean(0), x[fit].std(0) + SPREAD
        made = _unit(x, means[kind], spreads[kind])
        if not seen.all():
            made = _completed(torch.cat(parts, 1), made, seen, fit)
        parts.append(made)
    both = torch.cat(parts, 1)
    centre = both[train].mean(0)
    both -= centre
    white = whitening(both, rows)
    both = both @ white
    values, vectors = torch.linalg.eigh(both[train].T @ both[train] / len(train))
    axes = vectors[:, -DIM:] * values[-DIM:].clamp_min(1e-8) ** -FLATTEN
    targets = F.normalize(both @ axes, dim=1)
    share_looks(targets, rows)
    return Ensemble(means, spreads, centre, white @ axes), targets


def _completed(known: Tensor, made: Tensor, seen: Tensor, fit: Tensor) -> Tensor:
    x = known[fit]
    gram = x.T @ x + 0.01 * len(x) * x.var() * torch.eye(x.shape[1], device=x.device)
    told = F.normalize(known @ torch.linalg.solve(gram, x.T @ made[fit]), dim=1)
    return torch.where(seen[:, None], made, told)


def labelled_rows(rows: Labelled) -> tuple[Tensor, Tensor]:
    """The training rows (n,) that have a class, and the number of it (n,), counted from 0."""
    chosen = np.flatnonzero(~rows.held_out & np.isin(rows.dataset, LABELLED) & (rows.label != ""))
    names = np.char.add(np.char.add(rows.dataset, "/"), rows.label)[chosen]
    number = np.unique(names, return_inverse=True)[1]
    return torch.from_numpy(chosen), torch.from_numpy(number)


def whitening(x: Tensor, rows: Labelled) -> Tensor:
    """W (d, d) that makes the differences within one label alike in all directions: S^-1/2 of their
    covariance S, shrunk to a multiple of the identity."""
    chosen, number = (part.to(x.device) for part in labelled_rows(rows))
    own = x[chosen]
    centres = x.new_zeros(int(number.max()) + 1, x.shape[1]).index_add_(0, number, own)
    apart = own - (centres / torch.bincount(number)[:, None])[number]
    return inverse_root(apart.T @ apart / len(apart), SHRINK)


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Kernel (out, in) and bias of the linear map from x (n, in) to y (n, out)."""
    centred = x - x.mean(0)
    gram = centred.T @ centred / len(x)
    lift = 1e-2 * gram.diagonal().mean() * torch.eye(len(gram), device=x.device)
    kernel = torch.linalg.solve(gram + lift, centred.T @ (y - y.mean(0)) / len(x)).T
    return kernel, y.mean(0) - kernel @ x.mean(0)


def inverse_root(spread: Tensor, shrink: float) -> Tensor:
    """S^-1/2 of a covariance (d, d), shrunk: this share of its mean variance joins the diagonal."""
    lift = shrink * spread.diagonal().mean() * torch.eye(len(spread), device=spread.device)
    values, vectors = torch.linalg.eigh(spread + lift)
    return vectors * values**-0.5 @ vectors.T


def share_looks(targets: Tensor, rows: Labelled) -> None:
    """Give all training rows of one emoji their common direction, in place: one item, several
    looks."""
    emoji = rows.train[rows.dataset[rows.train] == "emoji"]
    for name in np.unique(rows.label[emoji]):
        same = torch.from_numpy(emoji[rows.label[emoji] == name])
        targets[same] = F.normalize(targets[same].mean(0), dim=0)
