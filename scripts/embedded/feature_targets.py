"""What the refined network has to answer: the teachers' embeddings in 512 dimensions."""

from __future__ import annotations

from pathlib import Path

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


def standardised(x: Tensor, train: Tensor) -> Tensor:
    """(n, d) minus mean and divided by standard deviation of the training rows, L2-normalised."""
    return F.normalize((x - x[train].mean(0)) / (x[train].std(0) + SPREAD), dim=1)


def ensemble_targets(folder: Path, kinds: tuple[str, ...], rows: Rows) -> Tensor:
    """(n, 512) float32 unit vectors: the teachers side by side, standardised, whitened within the
    labels of the training rows, on principal axes; all looks of one emoji have one target.

    What a later teacher has not embedded is told from the first ones by ridge regression.

    Raises:
        SystemExit: the first teacher has not embedded every training row.
    """
    parts: list[Tensor] = []
    for kind in kinds:
        raw = np.load(folder / f"teacher_{kind}.npy", mmap_mode="r")
        seen = np.asarray(raw[:, :64]).any(1)
        if not parts and not seen[rows.train].all():
            raise SystemExit(f"teacher {kind} lacks rows: run feature_teachers.py again")
        fit = torch.from_numpy(np.flatnonzero(seen & ~rows.held_out))
        made = standardised(torch.from_numpy(np.asarray(raw, np.float32)), fit)
        if not seen.all():
            made = _completed(torch.cat(parts, 1), made, torch.from_numpy(seen), fit)
        parts.append(made)
    chosen = torch.from_numpy(rows.train)
    both = torch.cat(parts, 1)
    both -= both[chosen].mean(0)
    both = both @ whitening(both, rows)
    values, vectors = torch.linalg.eigh(both[chosen].T @ both[chosen] / len(chosen))
    axes = vectors[:, -DIM:] * values[-DIM:].clamp_min(1e-8) ** -FLATTEN
    targets = F.normalize(both @ axes, dim=1)
    _share(targets, rows.label, rows.train[rows.dataset[rows.train] == "emoji"])
    return targets


def _completed(known: Tensor, made: Tensor, seen: Tensor, fit: Tensor) -> Tensor:
    x = known[fit]
    gram = x.T @ x + 0.01 * len(x) * x.var() * torch.eye(x.shape[1])
    told = F.normalize(known @ torch.linalg.solve(gram, x.T @ made[fit]), dim=1)
    return torch.where(seen[:, None], made, told)


def labelled_rows(rows: Rows) -> tuple[Tensor, Tensor]:
    """The training rows (n,) that have a class, and the number of it (n,), counted from 0."""
    chosen = np.flatnonzero(~rows.held_out & np.isin(rows.dataset, LABELLED) & (rows.label != ""))
    names = np.char.add(np.char.add(rows.dataset, "/"), rows.label)[chosen]
    number = np.unique(names, return_inverse=True)[1]
    return torch.from_numpy(chosen), torch.from_numpy(number)


def whitening(x: Tensor, rows: Rows) -> Tensor:
    """W (d, d) that makes the differences within one label alike in all directions: S^-1/2 of their
    covariance S, shrunk to a multiple of the identity."""
    chosen, number = labelled_rows(rows)
    own = x[chosen]
    centres = torch.zeros(int(number.max()) + 1, x.shape[1]).index_add_(0, number, own)
    apart = own - (centres / torch.bincount(number)[:, None])[number]
    spread = apart.T @ apart / len(apart)
    spread += SHRINK * spread.diagonal().mean() * torch.eye(len(spread))
    values, vectors = torch.linalg.eigh(spread)
    return vectors * values**-0.5 @ vectors.T


def _share(targets: Tensor, label: np.ndarray, rows: np.ndarray) -> None:
    """Give all rows of one label their common direction, in place: one item, several looks."""
    for name in np.unique(label[rows]):
        same = torch.from_numpy(rows[label[rows] == name])
        targets[same] = F.normalize(targets[same].mean(0), dim=0)
