"""Task-aligned assignment and PicoDet's three losses (varifocal, GIoU, distribution focal).

Sources: TOOD (arXiv 2108.07755), VarifocalNet (2008.13367), Generalized Focal Loss (2006.04388);
weights as in PaddleDetection's configs/picodet/_base_/picodet_v2.yml.
"""

from __future__ import annotations

import torch
from detector_net import REG_MAX, decode_boxes
from torch import Tensor
from torch.nn import functional as F

TOP_K, BETA = 13, 6.0
BOX_WEIGHT, BINS_WEIGHT = 2.5, 0.5


def box_area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def iou_and_giou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes that broadcast against each other, xyxy."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    union = (box_area(a) + box_area(b) - shared).clamp_min(1e-6)
    outer_low = torch.minimum(a[..., :2], b[..., :2])
    outer_high = torch.maximum(a[..., 2:], b[..., 2:])
    outer = (outer_high - outer_low).clamp_min(0).prod(-1).clamp_min(1e-6)
    iou = shared / union
    return iou, iou - (outer - union) / outer


def inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(b, a): whether each point lies in each box."""
    p = points[None]
    return ((p > boxes[:, None, :2]) & (p < boxes[:, None, 2:])).all(-1)


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Which true box each anchor answers for (-1: none) and the score it should reach, (a,) each.

    An anchor inside a true box is judged by score x IoU^6; the best 13 of each box are taken, an
    anchor wanted twice goes to the box it fits better. Targets are scaled so that the best anchor
    of a box aims at the best IoU reached for that box.
    """
    owner = torch.full((len(points),), -1, dtype=torch.long, device=points.device)
    target = torch.zeros(len(points), device=points.device)
    if len(truth) == 0:
        return owner, target
    iou = iou_and_giou(truth[:, None], boxes[None])[0]
    allowed = inside(points, truth)
    # A box smaller than a cell may hold no centre: the nearest anchor speaks for it.
    nearest = torch.cdist((truth[:, :2] + truth[:, 2:]) / 2, points).argmin(1)
    lonely = ~allowed.any(1)
    allowed[lonely, nearest[lonely]] = True
    metric = (scores[None] * iou**BETA + 1e-12) * allowed
    best = metric.topk(min(TOP_K, len(points)), dim=1)
    chosen = torch.zeros_like(allowed).scatter_(1, best.indices, best.values > 0)
    fit = torch.where(chosen, iou + 1e-9, 0.0)
    taken = chosen.any(0)
    owner[taken] = fit.argmax(0)[taken]
    mine = chosen & (owner[None] == torch.arange(len(truth), device=points.device)[:, None])
    metric = metric * mine
    scale = (iou * mine).amax(1) / metric.amax(1).clamp_min(1e-12)
    target = (metric * scale[:, None]).amax(0)
    return owner, target


def varifocal(scores: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Sum of cross-entropies; negatives count 0.75 x score^2, positives their target score."""
    focus = torch.where(target > 0, target, 0.75 * scores.detach().square())
    scores = scores.clamp(1e-6, 1 - 1e-6)
    return (F.binary_cross_entropy(scores, target, reduction="none") * focus * weight).sum()


def bin_loss(bins: Tensor, distance: Tensor) -> Tensor:
    """Cross-entropy against the two bins around each distance, (n, 4, 8) and (n, 4) -> (n,)."""
    distance = distance.clamp(0, REG_MAX - 0.01)
    left = distance.long()
    share = distance - left
    logp = bins.log_softmax(-1)
    below = logp.gather(-1, left[..., None])[..., 0]
    above = logp.gather(-1, left[..., None] + 1)[..., 0]
    return -(below * (1 - share) + above * share).mean(-1)


def detection_loss(
    scores: Tensor,
    bins: Tensor,
    points: Tensor,
    strides: Tensor,
    truths: list[Tensor],
    ignored: list[Tensor],
) -> dict[str, Tensor]:
    """Losses of one batch. Anchors in `ignored` boxes and outside all true ones do not count."""
    scores = scores[..., 0]
    boxes = decode_boxes(bins, points, strides)
    parts = {name: scores.new_zeros(()) for name in ("score", "box", "bins")}
    total = scores.new_zeros(())
    for i, (truth, skip) in enumerate(zip(truths, ignored, strict=True)):
        owner, target = assign(scores[i].detach(), boxes[i].detach(), points, truth)
        weight = torch.ones_like(target)
        if len(skip):
            weight[inside(points, skip).any(0) & ~inside(points, truth).any(0)] = 0.0
        parts["score"] = parts["score"] + varifocal(scores[i], target, weight)
        total = total + target.sum()
        taken = (owner >= 0).nonzero()[:, 0]
        if len(taken) == 0:
            continue
        goal, worth = truth[owner[taken]], target[taken]
        giou = iou_and_giou(boxes[i][taken], goal)[1]
        parts["box"] = parts["box"] + ((1 - giou) * worth).sum()
        centre, step = points[taken], strides[taken]
        distance = torch.cat([centre - goal[:, :2], goal[:, 2:] - centre], 1) / step
        logits = bins[i][taken].reshape(-1, 4, REG_MAX + 1)
        parts["bins"] = parts["bins"] + (bin_loss(logits, distance) * worth).sum()
    total = total.clamp_min(1.0)
    weights = {"score": 1.0, "box": BOX_WEIGHT, "bins": BINS_WEIGHT}
    return {name: value * weights[name] / total for name, value in parts.items()}
