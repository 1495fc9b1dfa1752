"""Runs a model under the contract of `onnx_contract` with onnxruntime's CPU provider."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from .errors import JobError
from .onnx_contract import INPUT, OUTPUTS, check_contract, features_of

BATCH_ROWS = 4096


class OnnxScorer:
    """`features` are the model's own input columns in its order; those of the caller where the model does not name its own."""

    def __init__(self, path: str | Path, features: tuple[str, ...], task: str, threads: int) -> None:
        """Raises JobError `input-model` when the file cannot be read or run, `export-contract` when its shape is not the contract's."""
        try:
            content = Path(path).read_bytes()
            model = onnx.load_model_from_string(content)
        except Exception as error:  # protobuf's DecodeError has no stable home
            raise JobError("input-model", f"{path} is not an ONNX model: {error}") from error
        self.features = features_of(model) or features
        check_contract(model, len(self.features), task)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its C++ module
            raise JobError("input-model", f"{path} does not load: {error}") from error
        self._output = OUTPUTS[task][0]

    def score(self, x: np.ndarray, batch_rows: int = BATCH_ROWS) -> np.ndarray:
        """`x`: float32 [n, F] in the order of `features`. Returns float32 [n]: the last column, which is the probability of class 1 or the
        value. Empty in, empty out."""
        parts = [self._run(x[start : start + batch_rows]) for start in range(0, len(x), batch_rows)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def _run(self, x: np.ndarray) -> np.ndarray:
        return self._session.run([self._output], {INPUT: np.ascontiguousarray(x)})[0][:, -1]
