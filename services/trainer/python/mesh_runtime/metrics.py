"""How good predictions are, each number with a 95 % interval.

Everywhere: `y` is [n] with values 0 or 1 (regression: any finite value), `p` is [n], the probability of class 1 in [0, 1] (regression: the
prediction); any float or integer dtype, computed in float64; n must be at least 1. An undefined value is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

# Two-sided 95 % of the standard normal distribution.
Z_95 = 1.959963984540054
ECE_BINS = 15
BOOTSTRAP_RESAMPLES = 200


class Estimate(NamedTuple):
    value: float
    low: float
    high: float


def binary_metrics(y: np.ndarray, p: np.ndarray, seed: int) -> dict[str, Estimate]:
    return {"auc": auc(y, p), "logloss": logloss(y, p), "brier": brier(y, p), "ece": ece(y, p, seed)}


def regression_metrics(y: np.ndarray, p: np.ndarray, seed: int) -> dict[str, Estimate]:
    return {"rmse": rmse(y, p), "mae": _mean(np.abs(_f64(y) - _f64(p))), "r2": r2(y, p, seed)}


def auc(y: np.ndarray, p: np.ndarray) -> Estimate:
    """Area under the ROC curve: the chance that a random positive scores above a random negative, ties counting half. Interval by DeLong,
    DeLong and Clarke-Pearson (1988), computed from midranks as in Sun and Xu (2014), cut to [0, 1]. NaN when a class is absent;
    the interval is NaN when a class has one row."""
    positive, negative = _f64(p)[_f64(y) == 1], _f64(p)[_f64(y) == 0]
    m, n = len(positive), len(negative)
    if m == 0 or n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    ranks = rankdata(np.concatenate([positive, negative]))
    value = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    if m == 1 or n == 1:
        return Estimate(value, np.nan, np.nan)
    # How often each positive beats a negative, and each negative is beaten by a positive.
    placed_positive = (ranks[:m] - rankdata(positive)) / n
    placed_negative = 1 - (ranks[m:] - rankdata(negative)) / m
    margin = Z_95 * float(np.sqrt(placed_positive.var(ddof=1) / m + placed_negative.var(ddof=1) / n))
    return Estimate(value, max(0.0, value - margin), min(1.0, value + margin))


def logloss(y: np.ndarray, p: np.ndarray) -> Estimate:
    """Mean of -ln(probability given to what happened), in nats; probabilities are cut to [eps, 1 - eps] with float64's eps. Normal interval."""
    eps = np.finfo(np.float64).eps
    chance = np.clip(_f64(p), eps, 1 - eps)
    return _mean(-np.where(_f64(y) == 1, np.log(chance), np.log1p(-chance)))


def brier(y: np.ndarray, p: np.ndarray) -> Estimate:
    """Mean squared difference of probability and outcome (Brier 1950, one class). Normal interval."""
    return _mean((_f64(p) - _f64(y)) ** 2)


def ece(y: np.ndarray, p: np.ndarray, seed: int) -> Estimate:
    """Expected calibration error of the probability of class 1: 15 bins of equal width over [0, 1], mean of |mean probability - share of
    positives| weighted by rows (Naeini, Cooper, Hauskrecht 2015). Interval: percentiles of a seeded bootstrap over rows; as the statistic is
    biased upwards, more so in resamples, the interval is widened to contain the value."""
    y, p = _f64(y), _f64(p)
    bins = np.minimum((p * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = p - y
    value = _binned_gap(bins, gaps)
    low, high = _bootstrap(len(y), seed, lambda rows: _binned_gap(bins[rows], gaps[rows]))
    return Estimate(value, min(value, low), max(value, high))


def rmse(y: np.ndarray, p: np.ndarray) -> Estimate:
    """Root of the mean squared error, in the target's unit; the interval is the root of the mean squared error's normal interval, cut at 0."""
    squared = _mean((_f64(y) - _f64(p)) ** 2)
    return Estimate(*(float(np.sqrt(max(0.0, part))) for part in squared))


def r2(y: np.ndarray, p: np.ndarray, seed: int) -> Estimate:
    """1 - squared error / variance of the target; NaN when the target is constant. Interval: percentiles of a seeded bootstrap."""
    y, p = _f64(y), _f64(p)
    return Estimate(_r2(y, p), *_bootstrap(len(y), seed, lambda rows: _r2(y[rows], p[rows])))


def _f64(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _mean(values: np.ndarray) -> Estimate:
    """Mean with the normal interval of its standard error; with one value the interval is NaN."""
    value = float(values.mean())
    margin = Z_95 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(value, float(value - margin), float(value + margin))


def _binned_gap(bins: np.ndarray, gaps: np.ndarray) -> float:
    return float(np.abs(np.bincount(bins, weights=gaps, minlength=ECE_BINS)).sum() / len(gaps))


def _r2(y: np.ndarray, p: np.ndarray) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - p) ** 2).sum()) / total if total > 0 else float("nan")


def _bootstrap(n: int, seed: int, statistic) -> tuple[float, float]:  # noqa: ANN001
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(0, n, size=n)) for _ in range(BOOTSTRAP_RESAMPLES)]
    low, high = np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return float(low), float(high)
