"""What the refined network has to answer: the teachers' embeddings in 512 dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DIM = 512
FLATTEN = 0.25  # principal axes are divided by their variance to this power
SPREAD = 0.02  # joins each standard deviation


def standardised(x: Tensor, train: Tensor) -> Tensor:
    """(n, d) minus mean and divided by standard deviation of the training rows, L2-normalised."""
    return F.normalize((x - x[train].mean(0)) / (x[train].std(0) + SPREAD), dim=1)


def ensemble_targets(folder: Path, kinds: tuple[str, ...], train: np.ndarray) -> Tensor:
    """(n, 512) float32 unit vectors: the teachers side by side, standardised, on principal axes.

    Raises:
        SystemExit: a teacher has not embedded every training row.
    """
    chosen = torch.from_numpy(train)
    parts = []
    for kind in kinds:
        raw = np.load(folder / f"teacher_{kind}.npy", mmap_mode="r")
        missing = int((~np.asarray(raw[:, :64]).any(1))[train].sum())
        if missing:
            raise SystemExit(f"teacher {kind} lacks {missing} rows: run feature_teachers.py again")
        parts.append(standardised(torch.from_numpy(np.asarray(raw, np.float32)), chosen))
    both = torch.cat(parts, 1)
    centred = both - both[chosen].mean(0)
    values, vectors = torch.linalg.eigh(centred[chosen].T @ centred[chosen] / len(train))
    axes = vectors[:, -DIM:] * values[-DIM:].clamp_min(1e-8) ** -FLATTEN
    return F.normalize(centred @ axes, dim=1)


def shared(targets: Tensor, label: np.ndarray, rows: np.ndarray) -> None:
    """Give all rows of one label their common direction, in place: one item, several looks."""
    for name in np.unique(label[rows]):
        same = torch.from_numpy(rows[label[rows] == name])
        targets[same] = F.normalize(targets[same].mean(0), dim=0)
