"""What scores looked like, and what they meant, on the validation rows: what a monitor holds live scores against.

The names are those of `millrace.monitor.v1.Reference` as JSON. `scores` and `labels` are [n], n at least 1, no NaN; computed in float64 from
scores rounded to float32, as they are served.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_EDGES = 255
MAX_BINS = 100
# So few that a bin's share of positives still says something: its standard error is at most 0.07.
LEAST_BIN_ROWS = 50


def score_reference(scores: np.ndarray, labels: np.ndarray, task: str) -> dict[str, Any]:
    """The histogram of the score; of a binary model its calibration too."""
    served = np.asarray(scores, dtype=np.float32).astype(np.float64)
    calibration = calibration_bins(served, np.asarray(labels, dtype=np.float64)) if task == "binary" else []
    return {"score": score_histogram(served), "calibration": calibration}


def score_histogram(scores: np.ndarray) -> dict[str, Any]:
    """At most 255 edges: between all neighbouring values where there are so few, else between quantiles of equal share. Edges lie halfway between
    two values: the served model differs from the trained one in the last digits, which must not move a score that many rows share to
    another bin."""
    distinct = np.unique(scores)
    chosen = np.arange(len(distinct))
    if len(distinct) > MAX_EDGES:
        ordered = np.sort(scores)
        quantiles = ordered[(np.arange(MAX_EDGES) * (len(ordered) - 1)) // (MAX_EDGES - 1)]
        chosen = np.searchsorted(distinct, np.unique(quantiles))
    gap = distinct[1] - distinct[0] if len(distinct) > 1 else max(1e-6, abs(distinct[0]) * 1e-6)
    before = np.concatenate([[distinct[0] - gap], distinct])[chosen]
    edges = np.unique(((before + distinct[chosen]) / 2).astype(np.float32)).astype(np.float64)
    counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
    return {"name": "score", "edges": edges.tolist(), "counts": counts.tolist(), "nulls": 0, "deviation": float(scores.std())}


def calibration_bins(scores: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """Bins of about equal count, at most 100 of at least 50 rows (one where there are fewer), rows of the same score together, each with the mean of
    its scores and the share of labels that are 1. Neighbours whose shares fall are pooled until they rise: isotonic regression of the shares by
    pooling adjacent violators (Ayer et al. 1955), as Zadrozny and Elkan (2002) calibrate scores."""
    order = np.argsort(scores, kind="stable")
    scores, labels = scores[order], labels[order]
    n = len(scores)
    bins = max(1, min(MAX_BINS, n // LEAST_BIN_ROWS))
    # Where an ideal cut falls among equal scores it moves to their first row.
    cuts = np.unique(np.searchsorted(scores, scores[(np.arange(bins) * n) // bins], side="left"))
    pooled: list[list[float]] = []
    for first, end in zip(cuts, [*cuts[1:], n], strict=True):
        pooled.append([float(scores[first:end].sum()), float(labels[first:end].sum()), int(end - first)])
        while len(pooled) > 1 and pooled[-2][1] * pooled[-1][2] >= pooled[-1][1] * pooled[-2][2]:
            last = pooled.pop()
            pooled[-1] = [a + b for a, b in zip(pooled[-1], last, strict=True)]
    return [{"meanScore": s / rows, "meanLabel": y / rows, "rows": int(rows)} for s, y, rows in pooled]
