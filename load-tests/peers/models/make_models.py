"""Makes the models that every peer serves, the same bytes each time: `make_models.py <folder>`.

Each reads `input`, float32 [N, 20], and answers `output`, float32 [N, 1]:
mlp     20-64-32-1, relu and a sigmoid at the end, weights drawn with a seed
mlp50   the same of 50 features, `input` float32 [N, 50], for the lookup of features alone
gbt100  LightGBM, 100 trees of 31 leaves, fitted to seeded noise with some signal
gbt500  the same with 500 trees
`row.f32` is the one row that all are asked about.
"""

import sys
from pathlib import Path

import lightgbm
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

FEATURES = 20
SEED = 20
OPSETS = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
IR_VERSION = 8  # the newest that all peers' runtimes read


def mlp(random: numpy.random.Generator, features: int) -> onnx.ModelProto:
    widths = [features, 64, 32, 1]
    nodes, weights, read = [], [], "input"
    for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        last = layer == len(widths) - 2
        weight = random.normal(0, fan_in**-0.5, (fan_in, fan_out)).astype(numpy.float32)
        weights += [
            numpy_helper.from_array(weight, f"w{layer}"),
            numpy_helper.from_array(numpy.zeros(fan_out, numpy.float32), f"b{layer}"),
        ]
        wrote = "output" if last else f"h{layer}"
        nodes += [
            helper.make_node("Gemm", [read, f"w{layer}", f"b{layer}"], [f"z{layer}"]),
            helper.make_node("Sigmoid" if last else "Relu", [f"z{layer}"], [wrote]),
        ]
        read = wrote
    return model(nodes, weights, features)


def trees(rows: numpy.ndarray, target: numpy.ndarray, count: int) -> onnx.ModelProto:
    settings = dict(num_leaves=31, learning_rate=0.02, min_child_samples=20, random_state=SEED)
    fitted = lightgbm.LGBMRegressor(
        n_estimators=count, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1, **settings
    ).fit(rows, target)
    dumped = fitted.booster_.dump_model()["tree_info"]
    assert len(dumped) == count and all(tree["num_leaves"] == 31 for tree in dumped)
    converted = convert_lightgbm(
        fitted, initial_types=[("input", FloatTensorType([None, FEATURES]))], target_opset=15
    ).graph
    (ensemble,) = (node for node in converted.node if node.op_type == "TreeEnsembleRegressor")
    ensemble.output[:] = ["output"]  # after it the converter writes identities alone
    return model([ensemble], [], FEATURES)


def model(nodes, weights, features: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "peers",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", features])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 1])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="millrace-peers")
    onnx.checker.check_model(made)
    return made


def main(folder: Path) -> None:
    random = numpy.random.default_rng(SEED)
    rows = random.normal(size=(20_000, FEATURES)).astype(numpy.float32)
    signal = numpy.sin(rows[:, 0]) + rows[:, 1] * rows[:, 2] + 0.3 * rows[:, 3:].sum(axis=1)
    target = 1 / (1 + numpy.exp(-signal - random.normal(size=len(rows))))
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in {
        "mlp": mlp(random, FEATURES),
        "gbt100": trees(rows, target, 100),
        "gbt500": trees(rows, target, 500),
        "mlp50": mlp(random, 50),
    }.items():
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString(deterministic=True))
    (folder / "row.f32").write_bytes(rows[0].tobytes())


main(Path(sys.argv[1]))
