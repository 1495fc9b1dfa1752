"""Trains small models as the trainer does and writes each as ONNX, LightGBM's also as text, with 100 background rows and 60 rows to explain (float32, row-major,
NaN = missing). In the trainer's environment: `python make_models.py <folder of mesh_runtime> <output folder> [<rounds> [<features>]]`."""

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import numpy as np
import onnx
from mesh_runtime.algorithms import load_algorithm
from mesh_runtime.algorithms.base import FitRequest
from mesh_runtime.data import Rows
from mesh_runtime.onnx_contract import apply_contract
from mesh_runtime.spec import OnnxSpec

folder = Path(sys.argv[2])
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 60
features = int(sys.argv[4]) if len(sys.argv) > 4 else 8
names = tuple(f"f{i}" for i in range(features))
rng = np.random.default_rng(20010414)
x = rng.normal(size=(6_000, features)).astype(np.float32)
x[:, 2] = np.round(x[:, 2] * 2)
x[rng.random(x.shape) < 0.1] = np.nan
known = np.nan_to_num(x)
signal = known[:, 0] + known[:, 1] * known[:, 2] + np.where(np.isnan(x[:, 3]), 1, -known[:, 3] ** 2 / 4)
signal = signal + known[:, 4:].sum(axis=1) / 3
noisy = signal + rng.normal(size=len(x)) / 2
rounds_of = {"lightgbm": {"num_iterations": rounds}, "sklearn-hgb": {"max_iter": rounds}, "sklearn-logistic": {}}
for algorithm, task in [
    ("lightgbm", "binary"),
    ("lightgbm", "regression"),
    ("sklearn-hgb", "binary"),
    ("sklearn-hgb", "regression"),
    ("sklearn-logistic", "binary"),
]:
    y = (noisy > 0 if task == "binary" else noisy).astype(np.float32)
    train, validate = Rows(x[:4_000], y[:4_000]), Rows(x[4_000:], y[4_000:])
    chosen = load_algorithm(algorithm)
    params = chosen.effective_params(task, rounds_of[algorithm])
    model = chosen.fit(FitRequest(task, names, train, validate, params, 7, 1, lambda *_: None)).model
    converted = apply_contract(chosen.to_onnx(model, features, OnnxSpec()), names, task, {})
    (folder / f"{algorithm}-{task}.onnx").write_bytes(converted.SerializeToString(deterministic=True))
    if algorithm == "lightgbm":
        chosen.save(model, names, task, folder / f"{algorithm}-{task}.txt")
x[:100].astype("<f4").tofile(folder / "background.f32")
x[5_000:5_060].astype("<f4").tofile(folder / "rows.f32")
