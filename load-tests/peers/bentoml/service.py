"""The model in BentoML: one worker, rows as JSON."""

import bentoml
import numpy
from bentoml.validators import DType, Shape
from typing_extensions import Annotated

from model import FEATURES, Model

Rows = Annotated[numpy.ndarray, DType("float32"), Shape((-1, FEATURES))]


@bentoml.service(workers=1, traffic={"timeout": 60})
class Peer:
    def __init__(self) -> None:
        self.onnx = Model()

    @bentoml.api
    def predict(self, features: Rows) -> numpy.ndarray:
        return self.onnx.run(features)
