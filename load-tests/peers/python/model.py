"""The model as every Python peer here runs it: one onnxruntime session, one thread."""

import os

import numpy
import onnxruntime

FEATURES = 20


class Model:
    """`run` takes float32 [rows, 20] and answers float32 [rows, 1]."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
        )

    def run(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.session.run(["output"], {"input": rows})[0]
