"""scikit-learn: boosted trees on histograms, and the linear model that everything else should beat."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ..errors import JobError
from ..float32_thresholds import floor_to_float32
from ..spec import OnnxSpec
from .base import Algorithm, FitRequest, Fitted
from .reserved_params import refuse_reserved

HGB_DEFAULTS: dict[str, Any] = {
    "max_iter": 500,
    "n_iter_no_change": 30,
    "learning_rate": 0.06,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 50,
    "max_bins": 127,
}
HGB_RESERVED = {
    "early_stopping", "validation_fraction", "random_state", "verbose", "warm_start", "loss", "scoring", "categorical_features",
}  # fmt: skip
LOGISTIC_DEFAULTS: dict[str, Any] = {"C": 1.0, "max_iter": 500}
LOGISTIC_RESERVED = {"random_state", "n_jobs", "verbose", "warm_start", "multi_class"}


class _Sklearn(Algorithm):
    model_file = "model.pkl"
    name: str

    def predict(self, model: Any, x: np.ndarray, task: str, threads: int) -> np.ndarray:
        if len(x) == 0:
            return np.empty(0)
        return np.asarray(model.predict_proba(x)[:, 1] if task == "binary" else model.predict(x), dtype=np.float64)

    def save(self, model: Any, features: tuple[str, ...], task: str, path: Path) -> None:
        content = {"algorithm": self.name, "features": list(features), "task": task, "model": model}
        path.write_bytes(pickle.dumps(content, protocol=5))

    def load(self, path: Path, features: tuple[str, ...], task: str) -> Any:
        """Unpickling runs what the file says: only for models that this mesh made, by the digest in the specification."""
        try:
            content = pickle.loads(path.read_bytes())
            found = (content["algorithm"], tuple(content["features"]), content["task"])
        except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise JobError("input-model", f"{path} is not a model of this runtime: {error}") from error
        if found != (self.name, features, task):
            raise JobError("input-model", f"{path} holds {found}, the specification says {(self.name, features, task)}")
        return content["model"]

    def to_onnx(self, model: Any, feature_count: int, onnx: OnnxSpec) -> Any:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType

        # The main domain's key is the empty string; any other spelling is ignored and the newest opset taken.
        opsets = {"": onnx.opset, "ai.onnx.ml": onnx.ml_opset}
        options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
        inputs = [("input", FloatTensorType([None, feature_count]))]
        return convert_sklearn(model, initial_types=inputs, target_opset=opsets, options=options)


class HistGradientBoosting(_Sklearn):
    name = "sklearn-hgb"
    takes_infinities = True

    def effective_params(self, task: str, params: dict[str, Any]) -> dict[str, Any]:
        refuse_reserved(params, HGB_RESERVED)
        return {**HGB_DEFAULTS, **params}

    def fit(self, request: FitRequest) -> Fitted:
        params = self.effective_params(request.task, request.params)
        kind = HistGradientBoostingClassifier if request.task == "binary" else HistGradientBoostingRegressor
        try:
            model = kind(**params, early_stopping=True, scoring="loss", random_state=request.seed)
            model.fit(_with_splittable_columns(request.train.x), request.train.y, X_val=request.validate.x, y_val=request.validate.y)
        except (TypeError, ValueError) as error:
            raise JobError("algorithm", f"HistGradientBoosting: {error}") from error
        rounds = _keep_best_rounds(model)
        _floor_thresholds(model)
        request.on_round(rounds, rounds, float(-model.validation_score_[rounds]))
        return Fitted(model, params, {"rounds": rounds})


class ImputedLogistic(_Sklearn):
    """Mean imputation, standardisation, L2 logistic regression. A column that is missing throughout becomes zero."""

    name = "sklearn-logistic"
    takes_infinities = False

    def effective_params(self, task: str, params: dict[str, Any]) -> dict[str, Any]:
        refuse_reserved(params, LOGISTIC_RESERVED)
        return {**LOGISTIC_DEFAULTS, **params}

    def fit(self, request: FitRequest) -> Fitted:
        params = self.effective_params(request.task, request.params)
        try:
            steps = [
                ("impute", SimpleImputer(keep_empty_features=True)),
                ("scale", StandardScaler()),
                ("logistic", LogisticRegression(**params, random_state=request.seed)),
            ]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = Pipeline(steps).fit(request.train.x, request.train.y)
        except (TypeError, ValueError) as error:
            raise JobError("algorithm", f"logistic regression: {error}") from error
        converged = not any(issubclass(entry.category, ConvergenceWarning) for entry in caught)
        rounds = int(model.named_steps["logistic"].n_iter_[0])
        request.on_round(rounds, rounds, None)
        return Fitted(model, params, {"rounds": rounds, "converged": converged})


def _with_splittable_columns(x: np.ndarray) -> np.ndarray:
    """scikit-learn 1.9 cannot bin a column without any value. Constant columns it can, and no tree splits on one."""
    empty = np.isnan(x).all(axis=0)
    return np.where(empty, np.float32(0), x) if empty.any() else x


def _keep_best_rounds(model: Any) -> int:
    """Early stopping keeps the rounds after the best one; they go. At least one round stays. Entry 0 of the scores is before any round."""
    rounds = max(1, int(np.argmax(model.validation_score_)))
    model._predictors = model._predictors[:rounds]
    return rounds


def _floor_thresholds(model: Any) -> None:
    for trees in model._predictors:
        for tree in trees:
            tree.nodes["num_threshold"] = floor_to_float32(tree.nodes["num_threshold"])
