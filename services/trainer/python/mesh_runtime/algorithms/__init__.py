"""Algorithms by name. Each is imported when it is asked for: LightGBM and scikit-learn take two seconds of CPU each to import."""

from __future__ import annotations

from .base import Algorithm


def load_algorithm(name: str) -> Algorithm:
    if name == "lightgbm":
        from .lightgbm_ import LightGbm

        return LightGbm()
    if name == "sklearn-hgb":
        from .sklearn_ import HistGradientBoosting

        return HistGradientBoosting()
    if name == "sklearn-logistic":
        from .sklearn_ import ImputedLogistic

        return ImputedLogistic()
    raise ValueError(f"no algorithm {name!r}")
