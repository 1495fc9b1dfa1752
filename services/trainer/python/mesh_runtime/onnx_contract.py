"""The shape that every served model has, brought about after conversion and checked before anybody relies on it.

Input `input` float32 [N, F]; one output, float32: `probabilities` [N, 2] for task binary (column 1 is the probability of class 1), `prediction`
[N, 1] for regression. No label output: it costs bytes, is int64, and LightGBM's converter declares it with a wrong shape.
"""

from __future__ import annotations

import json
from typing import Any

import onnx
from onnx import TensorProto, helper

from .errors import JobError

INPUT = "input"
OUTPUTS = {"binary": ("probabilities", 2), "regression": ("prediction", 1)}
FEATURES_KEY = "millrace.features"
# Older runtimes refuse newer ones; 10 came with ONNX 1.16.
MAX_IR_VERSION = 10


def apply_contract(model: Any, features: tuple[str, ...], task: str, metadata: dict[str, str]) -> Any:
    """Renames, drops and declares in place. Equal models give equal bytes: the random graph name goes. Raises JobError `export-contract`."""
    name, columns = OUTPUTS[task]
    graph = model.graph
    scores = _score_output(graph, task)
    _rename(graph, scores, name)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns]))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", len(features)]))
    _drop_unused(graph, name)
    del graph.value_info[:]
    graph.name = "millrace"
    graph.doc_string = ""
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    helper.set_model_props(model, {FEATURES_KEY: json.dumps(list(features)), "millrace.task": task, **metadata})
    check_contract(model, len(features), task)
    return model


def check_contract(model: Any, feature_count: int, task: str) -> None:
    """Raises JobError `export-contract` unless the model is valid ONNX with exactly the input and the output of its task."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise JobError("export-contract", f"the converted model is not valid ONNX: {error}") from error
    name, columns = OUTPUTS[task]
    expected = ([(INPUT, TensorProto.FLOAT, [None, feature_count])], [(name, TensorProto.FLOAT, [None, columns])])
    found = ([_described(value) for value in model.graph.input], [_described(value) for value in model.graph.output])
    if found != expected:
        raise JobError("export-contract", f"the converted model has inputs and outputs {found}, the contract says {expected}")


def features_of(model: Any) -> tuple[str, ...] | None:
    """The feature names written by `apply_contract`; None for a model from elsewhere."""
    for entry in model.metadata_props:
        if entry.key == FEATURES_KEY:
            return tuple(json.loads(entry.value))
    return None


def _score_output(graph: Any, task: str) -> str:
    if any(value.type.WhichOneof("value") != "tensor_type" for value in graph.output):
        raise JobError("export-contract", "an output of the converted model is not a tensor (ZipMap)")
    floats = [value.name for value in graph.output if value.type.tensor_type.elem_type == TensorProto.FLOAT]
    if len(floats) != 1:
        raise JobError("export-contract", f"task {task} needs one float output, the converted model has {floats}")
    return floats[0]


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == new != old:
                    names[position] = f"{new}_inner"
                elif name == old:
                    names[position] = new


def _drop_unused(graph: Any, output: str) -> None:
    """Nodes and constants that only the label needed."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [constant for constant in graph.initializer if constant.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _described(value: Any) -> tuple[str, int, list[int | None]]:
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [dim.dim_value or None for dim in tensor.shape.dim]
