"""What a monitor holds live scores against: the histogram of the validation scores, and what they meant."""

from __future__ import annotations

import unittest

import numpy as np
from sklearn.isotonic import isotonic_regression

from mesh_runtime.reference import calibration_bins, score_histogram, score_reference


class ReferenceTest(unittest.TestCase):
    def test_the_histogram_has_every_row_once_and_at_most_255_edges(self) -> None:
        rng = np.random.default_rng(1)
        for scores in (rng.beta(1, 4, 20_000), rng.integers(0, 9, 500) / 10, np.full(7, 0.25), np.array([0.0])):
            found = score_histogram(scores.astype(np.float32).astype(np.float64))
            edges = np.array(found["edges"])
            self.assertLessEqual(len(edges), 255)
            self.assertTrue(np.all(np.diff(edges) > 0))
            self.assertEqual((len(found["counts"]), sum(found["counts"]), found["counts"][0]), (len(edges) + 1, len(scores), 0))
            self.assertAlmostEqual(found["deviation"], float(scores.std()), places=6)

    def test_a_score_that_differs_in_its_last_digits_stays_in_its_bin(self) -> None:
        scores = (np.random.default_rng(2).integers(0, 40, 3_000) / 40).astype(np.float32)
        edges = np.array(score_histogram(scores.astype(np.float64))["edges"])
        for moved in (np.nextafter(scores, np.float32(-9)), np.nextafter(scores, np.float32(9))):
            np.testing.assert_array_equal(np.searchsorted(edges, moved, side="right"), np.searchsorted(edges, scores, side="right"))

    def test_calibration_is_scikit_learns_isotonic_regression_of_the_bins(self) -> None:
        rng = np.random.default_rng(3)
        scores = np.sort(rng.random(5_000))
        labels = (rng.random(5_000) < 0.3 + 0.2 * scores).astype(np.float64)
        found = calibration_bins(scores, labels)
        shares = labels.reshape(100, 50).mean(axis=1)
        expected = isotonic_regression(shares)
        np.testing.assert_allclose(np.repeat([one["meanLabel"] for one in found], [one["rows"] // 50 for one in found]), expected, atol=1e-12)
        self.assertTrue(np.all(np.diff([one["meanScore"] for one in found]) > 0))

    def test_equal_scores_share_a_bin_and_few_rows_have_one(self) -> None:
        scores = np.repeat([0.1, 0.2, 0.6], [300, 10, 300])
        labels = np.concatenate([np.zeros(307), np.ones(3), np.zeros(150), np.ones(150)])
        found = [(round(one["meanScore"], 9), one["meanLabel"], one["rows"]) for one in calibration_bins(scores, labels)]
        self.assertEqual(found, [(0.1, 0.0, 300), (0.2, 0.3, 10), (0.6, 0.5, 300)])
        few = calibration_bins(np.array([0.2, 0.4]), np.array([1.0, 0.0]))
        self.assertEqual([(round(one["meanScore"], 9), one["meanLabel"], one["rows"]) for one in few], [(0.3, 0.5, 2)])

    def test_a_regression_has_no_calibration(self) -> None:
        self.assertEqual(score_reference(np.array([1.5, 3.0]), np.array([1.0, 2.0]), "regression")["calibration"], [])
