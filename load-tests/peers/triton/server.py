"""The model in Triton, from the nvidia-pytriton wheel: `server.py <gRPC port> <HTTP port> <metrics port>`.

The wheel's server has no ONNX backend of its own, so the model runs in Python behind it, in batches that Triton makes.
"""

import os
import sys
import sysconfig

import numpy
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from model import FEATURES, Model

# The process that runs the model links against libpython: it has to be the one that this interpreter's library belongs to.
os.environ["LD_LIBRARY_PATH"] = f"{sysconfig.get_config_var('LIBDIR')}:{os.environ.get('LD_LIBRARY_PATH', '')}"
onnx = Model()


@batch
def infer(input: numpy.ndarray):
    return {"output": onnx.run(input)}


grpc_port, http_port, metrics_port = map(int, sys.argv[1:])
settings = TritonConfig(
    grpc_address="127.0.0.1",
    http_address="127.0.0.1",
    grpc_port=grpc_port,
    http_port=http_port,
    metrics_port=metrics_port,
)
with Triton(config=settings) as triton:
    triton.bind(
        model_name="model",
        infer_func=infer,
        inputs=[Tensor(name="input", dtype=numpy.float32, shape=(FEATURES,))],
        outputs=[Tensor(name="output", dtype=numpy.float32, shape=(1,))],
        config=ModelConfig(max_batch_size=256, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
    )
    triton.serve()
