"""What a job asks of an algorithm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..data import Rows
from ..spec import OnnxSpec

# (rounds done, rounds at most, validation loss or None): called while fitting; may raise to give the fit up.
OnRound = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class FitRequest:
    task: str
    features: tuple[str, ...]
    train: Rows
    validate: Rows
    params: dict[str, Any]
    seed: int
    threads: int
    on_round: OnRound


@dataclass(frozen=True)
class Fitted:
    """`model` is the algorithm's own object; `details` say what the fit decided, such as its number of rounds."""

    model: Any
    params: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)


class Algorithm(ABC):
    # The file's name tells the format; `model.txt` is LightGBM's own, `model.pkl` a pickle.
    model_file: ClassVar[str]
    # Whether it takes infinite features; one that does not has them refused in the data and left out of parity.
    takes_infinities: ClassVar[bool]

    @abstractmethod
    def effective_params(self, task: str, params: dict[str, Any]) -> dict[str, Any]:
        """The defaults overridden by `params`. Raises JobError `bad-spec` for those that the runtime sets itself."""

    @abstractmethod
    def fit(self, request: FitRequest) -> Fitted:
        """Stops early on the validation rows. The same request gives the same model. Raises JobError `algorithm`."""

    @abstractmethod
    def predict(self, model: Any, x: np.ndarray, task: str, threads: int) -> np.ndarray:
        """`x`: float32 [n, F], NaN = missing. Returns float64 [n]: probability of class 1, or the value. Empty in, empty out."""

    @abstractmethod
    def save(self, model: Any, features: tuple[str, ...], task: str, path: Path) -> None: ...

    @abstractmethod
    def load(self, path: Path, features: tuple[str, ...], task: str) -> Any:
        """Raises JobError `input-model` when the file is not such a model, or one of other features or another task."""

    @abstractmethod
    def to_onnx(self, model: Any, feature_count: int, onnx: OnnxSpec) -> Any:
        """An onnx.ModelProto as the converter makes it; `onnx_contract` brings it to the contract."""
