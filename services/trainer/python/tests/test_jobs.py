"""Whole jobs on a synthetic dataset: what is trained is what is exported, for each algorithm and task."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pyarrow as pa

from .job_harness import FEATURES, Job, base_spec, run_job, synthetic_columns, write_dataset

SPACE = {"num_leaves": {"int": [4, 31]}, "learning_rate": {"float": [0.02, 0.2], "log": True}, "min_data_in_leaf": {"choice": [20, 50]}}
# Small enough for a test, large enough that early stopping has something to stop.
QUICK = {"lightgbm": {"num_iterations": 80}, "sklearn-hgb": {"max_iter": 80}, "sklearn-logistic": {}}


class JobsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls._directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._directory.cleanup)
        cls.root = Path(cls._directory.name)
        cls.data = {task: write_dataset(cls.root / f"{task}.parquet", synthetic_columns(6000, task=task)) for task in ("binary", "regression")}

    def run_job(self, name: str, **changes: Any) -> tuple[int, Job]:
        directory = self.root / self._testMethodName / name
        data = changes.pop("data", self.data[changes.get("task", "binary")])
        return run_job(base_spec(directory, data, **changes), directory / "work")

    def finished(self, name: str, **changes: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """The `finished` event, and its artifacts by kind."""
        code, job = self.run_job(name, **changes)
        last = job.events[-1]
        self.assertEqual((code, last["type"]), (0, "finished"), last)
        return last, {artifact["kind"]: artifact for artifact in last["artifacts"]}

    def assert_fails(self, code: int, error: str, **changes: Any) -> dict[str, Any]:
        exit_code, job = self.run_job(error, **changes)
        last = job.events[-1]
        self.assertEqual((exit_code, last["type"], last.get("code")), (code, "failed", error), last)
        return last

    def assert_exported_faithfully(self, report: dict[str, Any]) -> None:
        self.assertTrue(report["passed"], report)
        self.assertTrue(report["heldOut"])
        self.assertEqual(report["sampled"]["rows"], 2000)
        self.assertGreaterEqual(report["edges"]["rows"], 12)
        self.assertEqual((report["sampled"]["mismatches"], report["edges"]["mismatches"]), (0, 0), report)

    def test_train_evaluate_convert_and_parity_as_four_jobs(self) -> None:
        for algorithm, params in QUICK.items():
            with self.subTest(algorithm=algorithm):
                trained, made = self.finished(f"{algorithm}-train", algorithm=algorithm, params=params)
                self.assertEqual((trained["metrics"]["train.rows"], trained["metrics"]["validate.rows"]), (3420, 2280))
                self.assertGreater(trained["metrics"]["validate.auc"], 0.75)
                background = np.fromfile(made["background"]["path"], dtype="<f4").reshape(-1, len(FEATURES))
                self.assertEqual(background.shape, (100, len(FEATURES)))
                inputs = {"model": made["model"]["path"], "model_sha256": made["model"]["sha256"]}

                _, made = self.finished(f"{algorithm}-convert", algorithm=algorithm, kind="convert", inputs=inputs, data=None)
                inputs["onnx"] = made["onnx"]["path"]
                self.assert_contract(Path(made["onnx"]["path"]), "probabilities", 2)

                _, made = self.finished(f"{algorithm}-parity", algorithm=algorithm, kind="parity", inputs=inputs)
                self.assert_exported_faithfully(json.loads(Path(made["parity"]["path"]).read_text()))

                evaluated, made = self.finished(f"{algorithm}-evaluate", algorithm=algorithm, kind="evaluate", inputs=inputs)
                reference = json.loads(Path(made["reference"]["path"]).read_text())
                self.assertEqual(sum(reference["score"]["counts"]), 2280)
                self.assertEqual(sum(one["rows"] for one in reference["calibration"]), 2280)
                self.assertEqual(evaluated["metrics"]["validate.auc"], trained["metrics"]["validate.auc"])
                self.assertAlmostEqual(evaluated["metrics"]["live.validate.logloss"], trained["metrics"]["validate.logloss"], places=6)

    def test_a_live_version_of_other_features_is_measured_on_the_same_rows(self) -> None:
        chosen, others = FEATURES[:2], [*reversed(FEATURES[2:]), FEATURES[0]]
        _, made = self.finished("live", features=others, params=QUICK["lightgbm"], then=["convert"])
        live, _ = self.finished("live-alone", features=others, kind="evaluate", inputs={"onnx": made["onnx"]["path"]})
        inputs = {"onnx": made["onnx"]["path"]}
        _, made = self.finished("new", features=chosen, params=QUICK["lightgbm"])
        inputs |= {"model": made["model"]["path"], "model_sha256": made["model"]["sha256"]}
        compared, _ = self.finished("evaluate", features=chosen, kind="evaluate", inputs=inputs)
        for name in ("live.validate.rows", "live.validate.auc", "live.validate.logloss"):
            self.assertEqual(compared["metrics"][name], live["metrics"][name], name)
        self.assertEqual(compared["metrics"]["live.validate.rows"], compared["metrics"]["validate.rows"])
        self.assertNotEqual(compared["metrics"]["live.validate.auc"], compared["metrics"]["validate.auc"])

    def test_a_live_version_that_reads_what_the_dataset_lacks_is_refused(self) -> None:
        _, made = self.finished("live", params=QUICK["lightgbm"], then=["convert"])
        columns = synthetic_columns(600)
        del columns["distance"]
        data = write_dataset(self.root / "lacking.parquet", columns)
        chosen = [name for name in FEATURES if name != "distance"]
        changes = {"features": chosen, "kind": "evaluate", "inputs": {"onnx": made["onnx"]["path"]}, "data": data}
        self.assertIn("distance", self.assert_fails(3, "data-schema", **changes)["message"])

    def test_one_job_does_all_stages_for_regression(self) -> None:
        for algorithm in ("lightgbm", "sklearn-hgb"):
            with self.subTest(algorithm=algorithm):
                changes = {"task": "regression", "params": QUICK[algorithm], "then": ["evaluate", "convert", "parity"]}
                finished, made = self.finished(algorithm, algorithm=algorithm, **changes)
                self.assertGreater(finished["metrics"]["validate.r2"], 0.7)
                self.assert_contract(Path(made["onnx"]["path"]), "prediction", 1)
                self.assert_exported_faithfully(json.loads(Path(made["parity"]["path"]).read_text()))

    def test_parity_leaves_rows_and_answers_for_the_runtime_that_serves(self) -> None:
        _, made = self.finished("all", params=QUICK["lightgbm"], then=["convert", "parity"])
        x = np.fromfile(made["parity-rows"]["path"], dtype="<f4").reshape(-1, len(FEATURES))
        expected = np.fromfile(made["parity-expected"]["path"], dtype="<f8")
        found = ort.InferenceSession(made["onnx"]["path"]).run(["probabilities"], {"input": x})[0]
        self.assertEqual(found.shape, (2000, 2))
        np.testing.assert_allclose(found[:, 1], expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)

    def test_parity_finds_a_model_that_is_not_the_trained_one(self) -> None:
        for task in ("binary", "regression"):
            params = {"early_stopping_round": 0, "num_iterations": 100}
            _, one = self.finished(f"{task}-one", task=task, params=params)
            # One round more: the smallest difference that two fits can have.
            _, other = self.finished(f"{task}-other", task=task, params={**params, "num_iterations": 101}, then=["convert"])
            inputs = {"model": one["model"]["path"], "onnx": other["onnx"]["path"]}
            finished, _ = self.finished(f"{task}-parity", task=task, kind="parity", inputs=inputs)
            self.assertEqual(finished["metrics"]["parity.passed"], 0, task)

    def test_the_same_specification_gives_the_same_bytes(self) -> None:
        for algorithm, params in QUICK.items():
            runs = [self.finished(f"{algorithm}-{n}", algorithm=algorithm, params=params, then=["convert"])[1] for n in (1, 2)]
            self.assertEqual(runs[0]["model"]["sha256"], runs[1]["model"]["sha256"], algorithm)
            self.assertEqual(runs[0]["onnx"]["sha256"], runs[1]["onnx"]["sha256"], algorithm)
            self.assertEqual(runs[0]["background"]["sha256"], runs[1]["background"]["sha256"], algorithm)

    def test_a_search_starts_from_the_defaults_and_is_no_worse(self) -> None:
        plain, _ = self.finished("plain", params={"num_iterations": 60})
        searched, made = self.finished("searched", params={"num_iterations": 60}, search={"trials": 4, "space": SPACE})
        trials = json.loads(Path(made["trials"]["path"]).read_text())
        self.assertEqual([trial["number"] for trial in trials], [0, 1, 2, 3])
        self.assertEqual(trials[0]["params"], {"num_leaves": 31, "learning_rate": 0.06, "min_data_in_leaf": 50})
        self.assertAlmostEqual(trials[0]["value"], plain["metrics"]["validate.logloss"], places=12)
        best = min(trial["value"] for trial in trials if trial["state"] == "complete")
        self.assertAlmostEqual(searched["metrics"]["validate.logloss"], best, places=12)

    def test_data_that_is_not_what_was_promised_is_refused(self) -> None:
        data = self.data["binary"]
        self.assert_fails(3, "data-missing", data={**data, "uri": str(self.root / "nowhere.parquet")})
        self.assert_fails(3, "data-digest", data={**data, "sha256": "0" * 64})
        self.assert_fails(3, "data-row-count", data={**data, "row_count": 5999})
        self.assertIn("unheard_of", self.assert_fails(3, "data-schema", features=["unheard_of"])["message"])

    def test_labels_and_splits_that_cannot_be_trained_on_are_refused(self) -> None:
        columns = synthetic_columns(300)
        rows = len(columns["label"])
        cases = {
            "data-values": {"label": pa.array(np.full(rows, 2, dtype=np.float32))},
            "data-one-class": {"label": pa.array(np.ones(rows, dtype=np.float32))},
            "data-empty": {"split": pa.array(["train"] * rows)},
        }
        for code, changed in cases.items():
            data = write_dataset(self.root / f"{code}.parquet", {**columns, **changed})
            self.assert_fails(3, code, data=data)

    def test_infinite_features_are_refused_where_the_algorithm_takes_none(self) -> None:
        columns = synthetic_columns(300)
        values = columns["distance"].to_numpy(zero_copy_only=False).copy()
        values[5] = np.inf
        data = write_dataset(self.root / "infinite.parquet", {**columns, "distance": pa.array(values)})
        self.assertIn("distance", self.assert_fails(3, "data-values", algorithm="sklearn-logistic", data=data)["message"])
        self.finished("lightgbm", data=data)

    def test_a_model_of_other_features_or_other_bytes_is_refused(self) -> None:
        _, made = self.finished("train", algorithm="sklearn-logistic")
        inputs = {"model": made["model"]["path"], "model_sha256": made["model"]["sha256"]}
        changes = {"algorithm": "sklearn-logistic", "kind": "convert", "data": None}
        self.assert_fails(10, "input-model", **changes, inputs=inputs, features=list(reversed(FEATURES)))
        self.assert_fails(10, "input-model", **changes, inputs={**inputs, "model_sha256": "0" * 64})

    def test_parameters_that_the_library_refuses_are_the_users(self) -> None:
        self.assert_fails(10, "algorithm", algorithm="sklearn-hgb", params={"max_bins": 10_000})
        self.assert_fails(10, "algorithm", params={"num_leaves": -3})

    def assert_contract(self, path: Path, output: str, columns: int) -> None:
        model = onnx.load(str(path))
        session = ort.InferenceSession(str(path))
        self.assertEqual([(i.name, i.type, i.shape[1]) for i in session.get_inputs()], [("input", "tensor(float)", len(FEATURES))])
        self.assertEqual([(o.name, o.type, o.shape[1]) for o in session.get_outputs()], [(output, "tensor(float)", columns)])
        self.assertLessEqual(model.ir_version, 10)
        opsets = {entry.domain: entry.version for entry in model.opset_import}
        self.assertLessEqual(opsets.get("", 0), 18)
        self.assertLessEqual(opsets.get("ai.onnx.ml", 0), 3)
