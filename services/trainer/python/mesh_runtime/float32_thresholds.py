"""Makes trees decide the same in float64 and in float32.

Trees learn thresholds in float64, ONNX stores them in float32, rounded to nearest. A feature that equals a threshold rounded upwards would
turn left in ONNX and right in the original. All splits here are `x <= threshold` and all features float32, so rounding thresholds
down changes no decision of the original and makes the float32 copy exact.
"""

from __future__ import annotations

import re

import numpy as np

# LightGBM takes features up to this size for zero, and puts thresholds at plus and minus this value (kZeroThreshold in its meta.h).
LIGHTGBM_ZERO = np.float32(1e-35)

_THRESHOLD_LINE = re.compile(r"^threshold=(.*)$", re.MULTILINE)
_TREE_SIZES_LINE = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


def floor_to_float32(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each value, as float64 of the same shape; infinities and NaN stay. Empty in, empty out.
    A value above float32's range gives its largest finite number."""
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    above = rounded.astype(np.float64) > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded.astype(np.float64)


def floor_lightgbm_thresholds(model_text: str) -> str:
    """LightGBM's text format with every numerical threshold floored. The byte sizes of the trees change, so the optional line that states
    them goes. A threshold at -LIGHTGBM_ZERO goes one step down: LightGBM takes a feature of exactly that value for zero, which turns right, while
    ONNX compares it. Not for models with categorical splits: their thresholds are indices."""

    def floor_line(match: re.Match[str]) -> str:
        values = np.array([float(text) for text in match.group(1).split()])
        floored = floor_to_float32(values)
        floored[floored == -LIGHTGBM_ZERO] = np.nextafter(-LIGHTGBM_ZERO, np.float32(-np.inf))
        return "threshold=" + " ".join(repr(value) for value in floored.tolist())

    return _TREE_SIZES_LINE.sub("", _THRESHOLD_LINE.sub(floor_line, model_text))
