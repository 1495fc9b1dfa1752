"""Estimated performance and concept drift by SciPy and scikit-learn, of the cases that come as JSON on standard input; the figures go to standard output.

Every row stands twice, as class 1 with the weight of its calibrated chance and as class 0 with the rest; scikit-learn's weighted metrics do what is left. The calibration's
share of the variance is by central differences: each bin's share moved a little, everything computed again. NannyML 0.13's CBPE, given the same calibrated chances, has the same
roc_auc to the five decimals that it rounds to.
"""

import json
import sys

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

Z_95 = 1.959963984540054
STEP = 1e-6


def metrics(scores, p) -> dict[str, float]:
    n = len(scores)
    s = np.clip(np.tile(scores, 2), 1e-7, 1 - 1e-7)
    y, w = np.repeat([1, 0], n), np.concatenate([p, 1 - p])
    return {
        "auc": roc_auc_score(y, np.tile(scores, 2), sample_weight=w),
        "logloss": log_loss(y, s, sample_weight=w),
        "brier": brier_score_loss(y, np.tile(scores, 2), sample_weight=w),
        "base_rate": float(np.average(y, weights=w)),
    }


def concept(scores, p, y) -> float:
    return log_loss(y, np.clip(scores, 1e-7, 1 - 1e-7), labels=[0, 1]) - metrics(scores, p)["logloss"]


def sampling_variance(scores, p) -> dict[str, float]:
    """Of the doubled, weighted rows; of auc by all pairs."""
    n, s = len(scores), np.clip(scores, 1e-7, 1 - 1e-7)
    w = np.concatenate([p, 1 - p])
    losses = {
        "logloss": np.concatenate([-np.log(s), -np.log1p(-s)]),
        "brier": np.concatenate([(1 - scores) ** 2, scores**2]),
        "base_rate": np.repeat([1.0, 0.0], n),
    }
    found = {name: float(np.cov(loss, aweights=w, ddof=0)) / n for name, loss in losses.items()}
    wins = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    over, under = np.average(wins, axis=1, weights=1 - p), np.average(wins, axis=0, weights=p)
    return found | {"auc": float(np.cov(over, aweights=p, ddof=0) / p.sum() + np.cov(under, aweights=1 - p, ddof=0) / (1 - p).sum())}


def figures(case: dict) -> dict:
    scores, y = np.array(case["scores"]), np.array(case["labels"])
    x, shares, rows = (np.array([one[name] for one in case["bins"]], dtype=float) for name in ("meanScore", "meanLabel", "rows"))

    def everything(moved) -> dict[str, float]:
        p = np.interp(scores, x, moved)
        return metrics(scores, p) | {"concept": concept(scores, p, y)}

    p = np.interp(scores, x, shares)
    values, variances = everything(shares), sampling_variance(scores, p)
    s = np.clip(scores, 1e-7, 1 - 1e-7)
    variances["concept"] = float(np.var((y - p) * (np.log1p(-s) - np.log(s)), ddof=1)) / len(scores)
    cautious = (shares * rows + 1) / (rows + 2)
    for k in range(len(shares)):
        up, down = (everything(shares + sign * STEP * (np.arange(len(shares)) == k)) for sign in (1, -1))
        for name in values:
            gradient = (up[name] - down[name]) / (2 * STEP)
            variances[name] += gradient**2 * cautious[k] * (1 - cautious[k]) / (rows[k] + 2)
    return {name: {"value": values[name], "half": Z_95 * float(np.sqrt(variances[name]))} for name in values}


json.dump([figures(case) for case in json.load(sys.stdin)], sys.stdout)
