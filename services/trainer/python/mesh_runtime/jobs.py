"""The kinds of jobs, and what each leaves behind in `output_dir`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .algorithms import load_algorithm
from .algorithms.base import FitRequest, Fitted
from .background import background_rows
from .data import TRAIN, VALIDATE, Dataset, Rows, load_dataset, sha256_of
from .errors import JobError
from .metrics import binary_metrics, regression_metrics
from .protocol import EventWriter, jsonable
from .reference import score_reference
from .spec import JobSpec
from .watch import Watch

PROGRESS_INTERVAL_S = 0.5
METRIC_EVERY_ROUNDS = 10
LOSS = {"binary": "logloss", "regression": "rmse"}


@dataclass
class Result:
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


def run_job(spec: JobSpec, events: EventWriter, watch: Watch) -> Result:
    job = Job(spec, events, watch)
    for stage in (spec.kind, *spec.then):
        job.run(stage)
    return job.result


class Job:
    """One run of the process. A stage uses what an earlier one made in place of what the specification's `inputs` name."""

    def __init__(self, spec: JobSpec, events: EventWriter, watch: Watch) -> None:
        self._spec = spec
        self._events = events
        self._watch = watch
        self._algorithm = load_algorithm(spec.algorithm)
        self._fitted_model: Any = None
        self._onnx_path: Path | None = None
        self._reported_at = 0.0
        self.result = Result()
        os.makedirs(spec.output_dir, exist_ok=True)

    def run(self, stage: str) -> None:
        self._events.emit("log", level="info", message=f"{stage} begins")
        {"train": self._train, "evaluate": self._evaluate, "convert": self._convert, "parity": self._parity}[stage]()
        self._events.emit("progress", stage=stage, pct=100.0)

    @cached_property
    def _data(self) -> Dataset:
        spec = self._spec
        assert spec.data is not None  # parse_spec demands it of every stage that comes here
        data = load_dataset(spec.data, spec.features, spec.target, spec.split_column, spec.task)
        if not self._algorithm.takes_infinities:
            _refuse_infinities(data)
        rows = {"train": len(data.train), "validate": len(data.validate), "unlabelled": data.unlabelled}
        self._events.emit("log", level="info", message="dataset read", rows=rows)
        for warning in data.warnings:
            self._events.emit("log", level="warn", message=warning)
        return data

    def _train(self) -> None:
        spec = self._spec
        params = self._algorithm.effective_params(spec.task, spec.params)
        if spec.search is not None:
            params = {**params, **self._search(params)}
        fitted = self._fit(params, self._report_round)
        self._fitted_model = fitted.model
        self._write(self._algorithm.model_file, "model", lambda path: self._algorithm.save(fitted.model, spec.features, spec.task, path))
        # Row-major float32 [n, F], little-endian.
        background = background_rows(self._data.train.x, spec.seed).astype("<f4").tobytes()
        self._write("background.f32", "background", lambda path: path.write_bytes(background))
        self.result.details |= {"params": fitted.params, "fit": fitted.details}
        self._measure(TRAIN, self._data.train, self._native)
        self._measure(VALIDATE, self._data.validate, self._native)

    def _search(self, defaults: dict[str, Any]) -> dict[str, Any]:
        from .search import search

        spec = self._spec
        assert spec.search is not None
        trials = spec.search.trials

        def objective(params: dict[str, Any], report: Callable[[int, float], None]) -> float:
            def on_round(done: int, _total: int, loss: float | None) -> None:
                if loss is not None:
                    report(done, loss)

            model = self._fit({**defaults, **params}, on_round).model
            rows = self._data.validate
            return self._metrics(rows.y, self._algorithm.predict(model, rows.x, spec.task, spec.limits.threads))[LOSS[spec.task]].value

        def on_trial(number: int, state: str, loss: float | None) -> None:
            self._watch.step = number + 1
            if loss is not None:
                self._events.emit("metric", key=f"trial.{LOSS[spec.task]}", value=loss, step=number)
            self._events.emit("progress", stage="search", pct=round(100 * (number + 1) / trials, 1))

        found = search(spec.search, defaults, spec.seed, objective, on_trial)
        self._write_json("trials.json", "trials", found.trials)
        return found.params

    def _fit(self, params: dict[str, Any], on_round: Callable[[int, int, float | None], None]) -> Fitted:
        spec, data = self._spec, self._data
        request = FitRequest(spec.task, spec.features, data.train, data.validate, params, spec.seed, spec.limits.threads, on_round)
        return self._algorithm.fit(request)

    def _report_round(self, done: int, total: int, loss: float | None) -> None:
        """Early stopping may end the fit at any round, so `pct` is a lower bound."""
        self._watch.step = done
        if loss is not None and (done % METRIC_EVERY_ROUNDS == 0 or done == total):
            self._events.emit("metric", key=f"fit.{LOSS[self._spec.task]}", value=loss, step=done)
        if time.monotonic() - self._reported_at >= PROGRESS_INTERVAL_S:
            self._reported_at = time.monotonic()
            self._events.emit("progress", stage="train", pct=round(100 * done / max(1, total), 1))

    def _evaluate(self) -> None:
        """The native model's metrics as validate.*, and reference.json of its scores; the metrics of `inputs.onnx`, the live version, on the same rows
        as live.validate.*."""
        rows = self._data.validate
        if self._spec.model is not None or self._fitted_model is not None:
            self._measure(VALIDATE, rows, self._native)
            self._write_json("reference.json", "reference", score_reference(self._native(rows.x), rows.y, self._spec.task))
        if self._spec.onnx_input is not None:
            from .onnx_scorer import OnnxScorer

            spec = self._spec
            live = OnnxScorer(spec.onnx_input, spec.features, spec.task, spec.limits.threads)
            self._measure(f"live.{VALIDATE}", self._validate_rows_of(live.features), live.score)

    def _validate_rows_of(self, features: tuple[str, ...]) -> Rows:
        """The rows of `_data.validate` with the columns that another model reads: which rows they are does not depend on the features."""
        spec = self._spec
        assert spec.data is not None
        if features == spec.features:
            return self._data.validate
        return load_dataset(spec.data, features, spec.target, spec.split_column, spec.task).validate

    def _convert(self) -> None:
        from .onnx_contract import INPUT, OUTPUTS, apply_contract

        spec = self._spec
        metadata = {"millrace.algorithm": spec.algorithm, "millrace.run_id": spec.run_id}
        converted = self._converted()
        model = apply_contract(converted, spec.features, spec.task, metadata)
        self._onnx_path = self._write("model.onnx", "onnx", lambda path: path.write_bytes(model.SerializeToString(deterministic=True)))
        onnx = {"path": str(self._onnx_path), "input": INPUT, "output": OUTPUTS[spec.task][0], "columns": OUTPUTS[spec.task][1]}
        self._events.emit("model", onnx={**onnx, "features": list(spec.features)}, parity=None)

    def _converted(self) -> Any:
        model = self._model
        try:
            return self._algorithm.to_onnx(model, len(self._spec.features), self._spec.onnx)
        except Exception as error:  # converters raise whatever their libraries do
            raise JobError("export-contract", f"conversion failed: {type(error).__name__}: {error}") from error

    def _parity(self) -> None:
        import onnx
        import onnxruntime

        from .onnx_contract import INPUT, OUTPUTS
        from .onnx_scorer import OnnxScorer
        from .parity import check_parity, sample_rows

        spec = self._spec
        path = self._onnx_path or Path(spec.onnx_input or "")
        scorer = OnnxScorer(path, spec.features, spec.task, spec.limits.threads)
        if scorer.features != spec.features:
            raise JobError("input-model", f"{path} reads {list(scorer.features)}, the specification lists {list(spec.features)}")
        infinities = self._algorithm.takes_infinities
        report = check_parity(
            self._native, scorer.score, self._data, onnx.load(str(path)), spec.task, spec.onnx.parity, spec.seed, infinities
        )
        report |= {"native": spec.algorithm, "runtime": f"onnxruntime {onnxruntime.__version__} (Python)"}
        self._write_json("parity.json", "parity", report)
        rows, _ = sample_rows(self._data, spec.onnx.parity.n, spec.seed)
        # For the same check in the runtime that serves: row-major float32 [n, F] and float64 [n], little-endian.
        self._write("parity-rows.f32", "parity-rows", lambda p: p.write_bytes(rows.astype("<f4").tobytes()))
        self._write("parity-expected.f64", "parity-expected", lambda p: p.write_bytes(self._native(rows).astype("<f8").tobytes()))
        for key, value in (("maxAbsDiff", report["maxAbsDiff"]), ("passed", float(report["passed"]))):
            self._metric(f"parity.{key}", value)
        described = {"path": str(path), "input": INPUT, "output": OUTPUTS[spec.task][0], "columns": OUTPUTS[spec.task][1]}
        self._events.emit("model", onnx={**described, "features": list(spec.features)}, parity=report)

    @cached_property
    def _model(self) -> Any:
        spec = self._spec
        if self._fitted_model is not None:
            return self._fitted_model
        path = Path(spec.model or "")
        if not path.is_file():
            raise JobError("input-model", f"inputs.model: {path} is not a file")
        if spec.model_sha256 is not None and sha256_of(path) != spec.model_sha256:
            raise JobError("input-model", f"inputs.model: {path} does not have the SHA-256 of inputs.model_sha256")
        return self._algorithm.load(path, spec.features, spec.task)

    def _native(self, x: np.ndarray) -> np.ndarray:
        return self._algorithm.predict(self._model, x, self._spec.task, self._spec.limits.threads)

    def _metrics(self, y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
        measure = binary_metrics if self._spec.task == "binary" else regression_metrics
        return measure(y, p, self._spec.seed)

    def _measure(self, prefix: str, rows: Rows, score: Callable[[np.ndarray], np.ndarray]) -> None:
        self._metric(f"{prefix}.rows", len(rows))
        for name, estimate in self._metrics(rows.y, score(rows.x)).items():
            for suffix, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
                self._metric(f"{prefix}.{name}{suffix}", value)

    def _metric(self, key: str, value: float) -> None:
        self.result.metrics[key] = value
        self._events.emit("metric", key=key, value=value, step=0)

    def _write_json(self, name: str, kind: str, content: Any) -> None:
        self._write(name, kind, lambda path: path.write_text(json.dumps(jsonable(content), indent=1) + "\n"))

    def _write(self, name: str, kind: str, write: Callable[[Path], object]) -> Path:
        """A file appears whole or not at all."""
        path = Path(self._spec.output_dir) / name
        unfinished = path.with_name(f".{name}.part")
        write(unfinished)
        os.replace(unfinished, path)
        artifact = {"path": str(path), "kind": kind, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        self.result.artifacts.append(artifact)
        self._events.emit("artifact", **artifact)
        return path


def _refuse_infinities(data: Dataset) -> None:
    for name, rows in ((TRAIN, data.train), (VALIDATE, data.validate)):
        columns = np.flatnonzero(np.isinf(rows.x).any(axis=0))
        if len(columns) > 0:
            named = ", ".join(data.features[column] for column in columns[:5])
            raise JobError("data-values", f"{named} is infinite in split {name}; this algorithm takes finite or missing values")
