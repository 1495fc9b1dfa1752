"""Metrics against scikit-learn, and their intervals against what they promise."""

from __future__ import annotations

import unittest

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, mean_absolute_error, mean_squared_error, r2_score, roc_auc_score

from mesh_runtime.metrics import auc, binary_metrics, brier, ece, logloss, regression_metrics, rmse


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, size=n)
    return (rng.random(n) < p).astype(np.float32), p


class MetricsTest(unittest.TestCase):
    def test_values_are_scikit_learns(self) -> None:
        for seed, n in enumerate((10, 200, 3000)):
            y, p = sample(n, seed)
            p = np.round(p, 2)  # ties
            found = binary_metrics(y, p, seed=1)
            self.assertAlmostEqual(found["auc"].value, roc_auc_score(y, p), places=12)
            self.assertAlmostEqual(found["logloss"].value, log_loss(y, p, labels=[0, 1]), places=12)
            self.assertAlmostEqual(found["brier"].value, brier_score_loss(y, p), places=12)
            target = p * 9 + y
            regression = regression_metrics(target, p * 8, seed=1)
            self.assertAlmostEqual(regression["rmse"].value, mean_squared_error(target, p * 8) ** 0.5, places=12)
            self.assertAlmostEqual(regression["mae"].value, mean_absolute_error(target, p * 8), places=12)
            self.assertAlmostEqual(regression["r2"].value, r2_score(target, p * 8), places=12)

    def test_calibration_error_counted_by_hand(self) -> None:
        y = np.array([0, 1, 1, 1, 0, 1])
        p = np.array([0.01, 0.02, 0.5, 0.52, 0.95, 1.0])
        # Bins of 1/15: {0.01, 0.02}, {0.5, 0.52}, {0.95, 1.0}; 1.0 falls into the last.
        expected = (abs(0.03 - 1) + abs(1.02 - 2) + abs(1.95 - 1)) / 6
        self.assertAlmostEqual(ece(y, p, seed=1).value, expected, places=12)

    def test_a_calibrated_model_has_less_calibration_error_than_a_bent_one(self) -> None:
        y, p = sample(5000, 3)
        self.assertLess(ece(y, p, seed=1).value, 0.03)
        self.assertGreater(ece(y, p**3, seed=1).low, 0.1)

    def test_delongs_interval_covers_the_truth(self) -> None:
        # Normal scores one deviation apart: the area is Phi(1 / sqrt 2). 400 samples: the share covered has a deviation of 1.1 %.
        truth, rng, covered = 0.7602499, np.random.default_rng(5), 0
        for _ in range(400):
            y = np.repeat([1, 0], [60, 90])
            estimate = auc(y, rng.normal(size=150) + y)
            covered += estimate.low <= truth <= estimate.high
        self.assertGreater(covered / 400, 0.91)
        self.assertLess(covered / 400, 0.985)

    def test_mean_intervals_cover_the_truth(self) -> None:
        y, p = sample(400_000, 1)
        truths = {"logloss": logloss(y, p).value, "brier": brier(y, p).value, "rmse": rmse(y, p).value}
        covered = dict.fromkeys(truths, 0)
        for seed in range(200):
            y, p = sample(300, seed + 10)
            for name, estimate in (("logloss", logloss(y, p)), ("brier", brier(y, p)), ("rmse", rmse(y, p))):
                covered[name] += estimate.low <= truths[name] <= estimate.high
        for name, count in covered.items():
            self.assertGreater(count / 200, 0.9, name)

    def test_what_is_undefined_is_nan(self) -> None:
        self.assertTrue(np.isnan(auc(np.ones(3), np.linspace(0, 1, 3))).all())
        one = auc(np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2]))
        self.assertEqual((one.value, np.isnan(one.low)), (1.0, True))
        self.assertTrue(np.isnan(regression_metrics(np.ones(4), np.zeros(4), seed=1)["r2"].value))
        self.assertTrue(np.isnan(brier(np.array([1]), np.array([0.4])).low))

    def test_certainty_that_is_wrong_costs_much_but_not_everything(self) -> None:
        self.assertTrue(np.isfinite(logloss(np.array([1, 0]), np.array([0.0, 1.0])).value))

    def test_the_seed_decides_the_bootstrap(self) -> None:
        y, p = sample(300, 2)
        self.assertEqual(ece(y, p, seed=4), ece(y, p, seed=4))
        self.assertNotEqual(ece(y, p, seed=4), ece(y, p, seed=5))
