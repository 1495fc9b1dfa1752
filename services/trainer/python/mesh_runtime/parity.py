"""Is the exported model the trained model? Compares both on held-out rows and on the rows where converters go wrong.

Sums in float32 and in float64 differ by about 5e-7; a converter's mistake differs by 1e-2 and more, often on few rows. Hence thresholds on the
share of rows, not equality, and edge cases of their own that no sample would hold.

Rounding of a sum grows with its parts: a regression of values around 120 that answers 0.8 has added and taken away 120, and is off by what 120
rounds to. Its differences are therefore relative to the larger of the value and the root mean square of all values, not to the value alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import Dataset
from .spec import ParitySpec

MAX_THRESHOLD_EDGES = 512
MAX_EDGE_FEATURES = 128
# Closer to the decision boundary than this a label may flip for rounding alone.
FLIP_MARGIN = 1e-6
BATCH_CHECK_ROWS = 64

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Compared:
    """Differences are absolute for probabilities, relative to max(scale, |value|) for regression."""

    rows: int
    max_abs_diff: float
    mean_abs_diff: float
    mismatches: int
    flips: int

    def report(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "maxAbsDiff": self.max_abs_diff,
            "meanAbsDiff": self.mean_abs_diff,
            "mismatches": self.mismatches,
            "flips": self.flips,
        }


def scale_of(native: np.ndarray, task: str) -> float:
    """The size of a prediction: 1 for probabilities; for regression the root mean square of the finite values, at least 1. Empty: 1."""
    finite = np.asarray(native, dtype=np.float64)[np.isfinite(native)]
    return 1.0 if task == "binary" or len(finite) == 0 else max(1.0, float(np.sqrt(np.mean(finite**2))))


def compare(native: np.ndarray, exported: np.ndarray, task: str, atol: float, scale: float = 1.0) -> Compared:
    """Both [n], native in float64; `scale` as by `scale_of`. NaN against a number counts as an infinite difference, NaN against NaN as
    none. Empty: no difference."""
    native, exported = np.asarray(native, dtype=np.float64), np.asarray(exported, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        diff = np.abs(native - exported)
    diff[native == exported] = 0
    if task == "regression":
        diff /= np.maximum(scale, np.abs(native))
    diff[np.isnan(native) & np.isnan(exported)] = 0
    diff[np.isnan(diff)] = np.inf
    flipped = ((native >= 0.5) != (exported >= 0.5)) & (np.abs(native - 0.5) > FLIP_MARGIN) & (task == "binary")
    if len(diff) == 0:
        return Compared(0, 0.0, 0.0, 0, 0)
    return Compared(len(diff), float(diff.max()), float(diff.mean()), int((diff > atol).sum()), int(flipped.sum()))


def check_parity(
    native: Score, exported: Callable[..., np.ndarray], data: Dataset, model: Any, task: str, spec: ParitySpec, seed: int, infinities: bool
) -> dict[str, Any]:
    """The report; `passed` when rows and edges hold. `heldOut` is false when validation rows were too few and training rows filled up.
    `native` and `exported` map float32 [n, F] to [n]; `model` is the ONNX model, whose thresholds become edge cases."""
    rows, held_out = sample_rows(data, spec.n, seed)
    answers = native(rows)
    scale = scale_of(answers, task)
    sampled = compare(answers, exported(rows), task, spec.atol, scale)
    edges = edge_rows(rows, model, seed, infinities)
    edge = compare(native(edges), exported(edges), task, spec.atol, scale)
    few = rows[:BATCH_CHECK_ROWS]
    batch = compare(exported(few), exported(few, 1), task, spec.atol, scale)
    within = sampled.mismatches <= spec.max_mismatch * sampled.rows and edge.mismatches <= spec.max_mismatch * edge.rows
    return {
        "passed": bool(within and sampled.flips == 0 and edge.flips == 0 and batch.mismatches == 0),
        "atol": spec.atol,
        "scale": scale,
        "maxMismatch": spec.max_mismatch,
        "heldOut": held_out,
        "infinities": infinities,
        "sampled": sampled.report(),
        "edges": edge.report(),
        "maxAbsDiff": max(sampled.max_abs_diff, edge.max_abs_diff),
        "batchMaxAbsDiff": batch.max_abs_diff,
    }


def sample_rows(data: Dataset, n: int, seed: int) -> tuple[np.ndarray, bool]:
    """Up to n rows without replacement, float32 [m, F]: of the validation rows, then of the training rows if those are too few."""
    rng = np.random.default_rng(seed)
    picked = data.validate.x[_pick(rng, len(data.validate), n)]
    if len(picked) >= n or len(data.train) == 0:
        return picked, True
    more = data.train.x[_pick(rng, len(data.train), n - len(picked))]
    return np.concatenate([picked, more]), False


def edge_rows(rows: np.ndarray, model: Any, seed: int, infinities: bool) -> np.ndarray:
    """Float32 [k, F]: all missing, all zero, all infinite; each feature in turn missing, zero, infinite; each threshold of a tree and its
    two neighbours in float32. Other features as in a sampled row. Columns and thresholds beyond a bound are sampled."""
    rng = np.random.default_rng(seed)
    count = rows.shape[1]
    specials = [np.nan, 0.0, *([np.inf, -np.inf] if infinities else [])]
    edges = [np.full(count, value, dtype=np.float32) for value in specials]
    for feature in _pick(rng, count, MAX_EDGE_FEATURES):
        edges.extend(_with(rows, rng, feature, value) for value in specials)
    thresholds = tree_thresholds(model)
    for index in _pick(rng, len(thresholds), MAX_THRESHOLD_EDGES):
        feature, value = thresholds[index]
        for near in (np.nextafter(value, np.float32(-np.inf)), value, np.nextafter(value, np.float32(np.inf))):
            if infinities or np.isfinite(near):
                edges.append(_with(rows, rng, feature, near))
    return np.stack(edges)


def tree_thresholds(model: Any) -> list[tuple[int, np.float32]]:
    """(feature, threshold) of every inner node of every tree, without repetition, in order."""
    found: set[tuple[int, float]] = set()
    for node in model.graph.node:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        modes = attributes["nodes_modes"].strings
        for mode, feature, value in zip(modes, attributes["nodes_featureids"].ints, attributes["nodes_values"].floats, strict=True):
            if mode != b"LEAF":
                found.add((feature, value))
    return [(feature, np.float32(value)) for feature, value in sorted(found)]


def _pick(rng: np.random.Generator, available: int, wanted: int) -> np.ndarray:
    if available <= wanted:
        return np.arange(available)
    return np.sort(rng.choice(available, size=wanted, replace=False))


def _with(rows: np.ndarray, rng: np.random.Generator, feature: int, value: float) -> np.ndarray:
    row = rows[rng.integers(len(rows))].copy()
    row[feature] = value
    return row
