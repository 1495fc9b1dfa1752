from __future__ import annotations

import unittest

import numpy as np
from onnx import helper

from mesh_runtime.data import Dataset, Rows
from mesh_runtime.parity import check_parity, compare, edge_rows, sample_rows, scale_of, tree_thresholds
from mesh_runtime.spec import ParitySpec


def tree_model() -> object:
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["prediction"],
        domain="ai.onnx.ml",
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_featureids=[1, 0, 0],
        nodes_values=[0.25, 0.0, 0.0],
    )
    return helper.make_model(helper.make_graph([node], "g", [], []))


def dataset(train: int, validate: int) -> Dataset:
    rng = np.random.default_rng(1)
    parts = [Rows(rng.normal(size=(n, 2)).astype(np.float32), np.zeros(n, dtype=np.float32)) for n in (train, validate)]
    return Dataset(("a", "b"), parts[0], parts[1], 0, ())


class ParityTest(unittest.TestCase):
    def test_differences_are_absolute_for_probabilities_and_relative_for_values(self) -> None:
        native, exported = np.array([0.2, 0.9, 1000.0]), np.array([0.2, 0.8, 1001.0])
        self.assertAlmostEqual(compare(native, exported, "binary", 1e-5).max_abs_diff, 1)
        self.assertAlmostEqual(compare(native, exported, "regression", 1e-5).max_abs_diff, 0.1)
        self.assertEqual(compare(native, exported, "binary", 1e-5).mismatches, 2)

    def test_a_small_value_among_large_ones_is_judged_by_their_rounding(self) -> None:
        native = np.array([120.0, -120.0, 0.8])
        scale = scale_of(native, "regression")
        self.assertAlmostEqual(scale, 97.98, places=2)
        rounded = native + 2e-4
        self.assertEqual(compare(native, rounded, "regression", 1e-5).mismatches, 1)
        self.assertEqual(compare(native, rounded, "regression", 1e-5, scale).mismatches, 0)
        self.assertEqual(compare(native, native + 0.01, "regression", 1e-5, scale).mismatches, 3)
        self.assertEqual((scale_of(native, "binary"), scale_of(np.empty(0), "regression"), scale_of(native / 1000, "regression")), (1, 1, 1))

    def test_nan_differs_from_every_number_but_not_from_nan(self) -> None:
        found = compare(np.array([np.nan, np.nan, 0.5, np.inf]), np.array([np.nan, 0.5, np.nan, np.inf]), "regression", 1e-5)
        self.assertEqual((found.mismatches, found.max_abs_diff), (2, np.inf))

    def test_a_flip_on_the_boundary_is_rounding(self) -> None:
        self.assertEqual(compare(np.array([0.5 - 1e-8]), np.array([0.5 + 1e-8]), "binary", 1e-5).flips, 0)
        self.assertEqual(compare(np.array([0.499]), np.array([0.501]), "binary", 1).flips, 1)

    def test_nothing_to_compare_is_no_difference(self) -> None:
        self.assertEqual(compare(np.empty(0), np.empty(0), "binary", 1e-5).rows, 0)

    def test_rows_are_held_out_unless_there_are_too_few(self) -> None:
        rows, held_out = sample_rows(dataset(50, 30), 30, seed=1)
        self.assertEqual((rows.shape, held_out), ((30, 2), True))
        rows, held_out = sample_rows(dataset(50, 30), 60, seed=1)
        self.assertEqual((rows.shape, held_out), ((60, 2), False))

    def test_edges_hold_special_values_and_both_sides_of_each_threshold(self) -> None:
        self.assertEqual(tree_thresholds(tree_model()), [(1, np.float32(0.25))])
        edges = edge_rows(dataset(5, 5).train.x, tree_model(), seed=1, infinities=True)
        self.assertEqual(edges.shape, (4 + 2 * 4 + 3, 2))
        quarter = np.float32(0.25)
        self.assertEqual(edges[-3:, 1].tolist(), [np.nextafter(quarter, np.float32(0)), quarter, np.nextafter(quarter, np.float32(1))])

    def test_no_infinities_where_the_algorithm_takes_none(self) -> None:
        edges = edge_rows(dataset(5, 5).train.x, tree_model(), seed=1, infinities=False)
        self.assertFalse(np.isinf(edges).any())
        self.assertTrue(np.isnan(edges).any())

    def test_an_answer_that_depends_on_the_batch_fails(self) -> None:
        def score(x: np.ndarray, batch_rows: int = 4096) -> np.ndarray:
            return np.full(len(x), 0.2 if batch_rows > 1 else 0.3)

        report = check_parity(score, score, dataset(50, 50), tree_model(), "binary", ParitySpec(n=40), 1, True)
        self.assertFalse(report["passed"])
        self.assertEqual((report["sampled"]["mismatches"], report["edges"]["mismatches"]), (0, 0))
        self.assertAlmostEqual(report["batchMaxAbsDiff"], 0.1)
