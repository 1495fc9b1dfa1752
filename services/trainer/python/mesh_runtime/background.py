"""The rows that explanations are relative to: what a feature is worth is told against what the model says of these."""

from __future__ import annotations

import numpy as np

# As many as SHAP's own explainers summarise a background by; a contribution's error by drawing them falls with the root of their number.
ROWS = 100


def background_rows(x: np.ndarray, seed: int) -> np.ndarray:
    """At most 100 of the training rows, drawn without return by the seed, in their order. float32 [n, F], as `Rows.x`; NaN = missing."""
    if len(x) <= ROWS:
        return x
    chosen = np.random.default_rng(seed).choice(len(x), size=ROWS, replace=False)
    return x[np.sort(chosen)]
