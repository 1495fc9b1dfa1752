from __future__ import annotations

import re
import unittest

import numpy as np

from mesh_runtime.float32_thresholds import LIGHTGBM_ZERO, floor_lightgbm_thresholds, floor_to_float32


class Float32ThresholdsTest(unittest.TestCase):
    def test_no_float32_changes_sides(self) -> None:
        rng = np.random.default_rng(1)
        thresholds = rng.normal(size=2000) * 10.0 ** rng.integers(-30, 30, size=2000)
        floored = floor_to_float32(thresholds)
        self.assertTrue(np.array_equal(floored, floored.astype(np.float32).astype(np.float64)))
        near = thresholds.astype(np.float32)
        for x in (near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))):
            self.assertTrue(np.array_equal(x.astype(np.float64) <= thresholds, x.astype(np.float64) <= floored))

    def test_special_values(self) -> None:
        largest = float(np.finfo(np.float32).max)
        found = floor_to_float32(np.array([np.inf, -np.inf, np.nan, 1e300, 0.0, 0.1]))
        np.testing.assert_array_equal(found[:5], [np.inf, -np.inf, np.nan, largest, 0.0])
        self.assertLess(found[5], 0.1)
        self.assertEqual(floor_to_float32(np.array([])).shape, (0,))

    def test_a_lightgbm_text_keeps_everything_but_its_thresholds_and_sizes(self) -> None:
        text = "tree\ntree_sizes=10 20\n\nTree=0\nthreshold=0.1 -1.0000000180025095e-35 1.0000000180025095e-35\nleaf_value=0.1 0.2\n"
        floored = floor_lightgbm_thresholds(text)
        self.assertEqual(floored, floor_lightgbm_thresholds(floored))
        self.assertNotIn("tree_sizes", floored)
        self.assertIn("leaf_value=0.1 0.2\n", floored)
        values = [float(value) for value in re.search(r"threshold=(.*)", floored).group(1).split()]
        self.assertEqual(values[0], float(np.nextafter(np.float32(0.1), np.float32(0))))
        self.assertLess(values[1], -float(LIGHTGBM_ZERO))
        self.assertEqual(values[2], float(LIGHTGBM_ZERO))
