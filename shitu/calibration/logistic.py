"""Logistic regression with weights that are not negative: more evidence never makes less sure."""

from __future__ import annotations

import numpy as np

from shitu.calibration.evidence import Floats

_PRIOR = 1.0  # precision of a weight, in units of the standard deviation of its column
_ROUNDS = 50


def fit_logistic(columns: Floats, targets: Floats, weights: Floats) -> Floats:
    """Most probable coefficients (c + 1,), the last one the constant.

    Newton's method on the weighted log loss plus a Gaussian prior. Columns whose weight comes out
    negative are left out, and the rest is fitted again.

    Args:
        columns: (n, c).
        targets: (n,), 0 or 1.
        weights: (n,) of the cases.
    """
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    spread[spread < 1e-9] = np.inf  # a column that is constant tells nothing
    scaled = np.column_stack([(columns - mean) / spread, np.ones(len(columns))])
    active = np.append(np.isfinite(spread), True)
    while True:
        found = np.zeros(len(active))
        found[active] = _newton(scaled[:, active], targets, weights)
        negative = np.append(found[:-1] < 0, False)
        if not negative.any():
            break
        active &= ~negative
    coefficients = found[:-1] / spread
    return np.append(coefficients, found[-1] - coefficients @ mean)


def sigmoid(logits: Floats) -> Floats:
    """Probabilities, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def log_loss(logits: Floats, targets: Floats, weights: Floats) -> float:
    """Weighted sum of -log of the probability of what was true."""
    return float(np.sum(weights * (np.logaddexp(0, logits) - targets * logits)))


def _newton(columns: Floats, targets: Floats, weights: Floats) -> Floats:
    prior = np.full(columns.shape[1], _PRIOR)
    prior[-1] = 1e-6
    found = np.zeros(columns.shape[1])
    loss = _objective(columns, targets, weights, prior, found)
    for _ in range(_ROUNDS):
        chances = sigmoid(columns @ found)
        gradient = columns.T @ (weights * (chances - targets)) + prior * found
        curvature = (columns * (weights * chances * (1 - chances))[:, None]).T @ columns
        step = np.linalg.solve(curvature + np.diag(prior + 1e-9), gradient)
        size = 1.0
        while (
            new := _objective(columns, targets, weights, prior, found - size * step)
        ) > loss and size > 1e-4:
            size /= 2
        if loss - new < 1e-9 * max(abs(loss), 1.0):
            break
        found, loss = found - size * step, new
    return found


def _objective(
    columns: Floats, targets: Floats, weights: Floats, prior: Floats, found: Floats
) -> float:
    return log_loss(columns @ found, targets, weights) + 0.5 * float(prior @ found**2)
