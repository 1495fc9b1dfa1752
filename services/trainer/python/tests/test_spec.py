"""A specification that is wrong names every field at fault, and its job ends with exit code 2."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from mesh_runtime.errors import JobError
from mesh_runtime.spec import parse_spec

from .job_harness import base_spec, run_job

DATA = {"uri": "file:///data/some%20day.parquet", "format": "parquet", "sha256": "a" * 64, "row_count": 10}
SEARCH = {"trials": 4, "space": {"num_leaves": {"int": [7, 63]}, "learning_rate": {"float": [0.01, 0.2], "log": True}}}
MODEL = {"model": "model.pkl", "model_sha256": "b" * 64}


def spec_with(**changes: Any) -> dict[str, Any]:
    return base_spec(Path("/tmp"), DATA, **changes)


def problems(**changes: Any) -> dict[str, str]:
    try:
        parse_spec(json.dumps(spec_with(**changes)).encode())
    except JobError as error:
        assert error.exit_code == 2
        return {entry["field"]: entry["problem"] for entry in error.details["fields"]}
    return {}


class SpecTest(unittest.TestCase):
    def test_a_right_one_is_read_with_its_defaults(self) -> None:
        spec = parse_spec(json.dumps(spec_with(search=SEARCH, attempt=None, limits=None)).encode())
        self.assertEqual((spec.attempt, spec.limits.threads, spec.limits.wall_s, spec.onnx.opset), (1, 1, None, 18))
        self.assertEqual(spec.data.path, "/data/some day.parquet")
        self.assertEqual((spec.search.sampler, spec.search.pruner), ("tpe", "median"))

    def test_every_problem_is_named_at_once(self) -> None:
        found = problems(v="mesh-job/2", kind="dance", features=["a", "a"], seed=-1, limits={"threads": 0}, data={**DATA, "sha256": "x"})
        self.assertEqual(found.keys(), {"v", "kind", "features", "seed", "limits.threads", "data.sha256"})

    def test_each_wrong_field_is_named(self) -> None:
        cases: list[tuple[str, dict[str, Any]]] = [
            ("job_id", {"job_id": ""}),
            ("algorithm", {"algorithm": "lightgmb"}),
            ("algorithm", {"algorithm": "sklearn-logistic", "task": "regression"}),
            ("features", {"features": []}),
            ("features", {"features": ["label"]}),
            ("features", {"features": ["a", 1]}),
            ("seed", {"seed": True}),
            ("heartbeat_s", {"heartbeat_s": "5"}),
            ("data", {"data": None}),
            ("data.uri", {"data": {**DATA, "uri": "s3://bucket/key"}}),
            ("data.row_count", {"data": {**DATA, "row_count": 1.5}}),
            ("data.colour", {"data": {**DATA, "colour": "red"}}),
            ("search.space", {"search": {"space": {}}}),
            ("search.space.num_leaves", {"search": {"space": {"num_leaves": {"int": [9, 3]}}}}),
            ("search.space.rate", {"search": {"space": {"rate": {"float": [0, 1], "log": True}}}}),
            ("inputs.model", {"kind": "convert"}),
            ("inputs.onnx", {"kind": "parity", "inputs": {"model": "model.txt"}}),
            ("inputs", {"kind": "evaluate"}),
            ("inputs.model_sha256", {"kind": "convert", "algorithm": "sklearn-hgb", "inputs": {"model": "model.pkl"}}),
            ("then", {"then": ["parity"]}),
            ("then", {"kind": "convert", "inputs": MODEL, "then": ["convert"]}),
            ("onnx.parity.n", {"onnx": {"parity": {"n": 0}}}),
        ]
        for field, changes in cases:
            with self.subTest(field=field, changes=changes):
                self.assertEqual(list(problems(**changes)), [field])

    def test_an_unknown_field_is_refused_with_a_suggestion(self) -> None:
        self.assertEqual(problems(feature=["a"]), {"feature": "unknown field; did you mean features"})

    def test_what_is_not_a_json_object_is_refused(self) -> None:
        for line in (b"", b"{", b"[]", b"null", b"\xff", None):
            with self.subTest(line=line), self.assertRaises(JobError) as caught:
                parse_spec(line)
            self.assertEqual(caught.exception.code, "bad-spec")

    def test_a_job_with_a_wrong_specification_exits_with_2_and_names_the_field(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            unread = {**DATA, "uri": f"{directory}/never-read.parquet"}
            reserved = {"params": {"objective": "mae"}, "data": unread}
            for changes, field in (({"algorithm": "magic"}, "algorithm"), (reserved, "params.objective")):
                code, job = run_job(base_spec(Path(directory), DATA, **changes), Path(directory) / field)
                last = job.events[-1]
                self.assertEqual((code, last["type"], last["class"], last["code"]), (2, "failed", "user", "bad-spec"), last)
                self.assertEqual([entry["field"] for entry in last["fields"]], [field])
