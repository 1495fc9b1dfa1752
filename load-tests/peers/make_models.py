"""The models that every peer serves: `python make_models.py FOLDER`. One input, float32 [N, 20]; seeded, so that every machine measures the same bytes.

mlp: 20-64-32-1 with a sigmoid. gbt100, gbt500: so many trees of 31 leaves, grown leaf-wise over random splits as LightGBM's are, classifying in two.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

FEATURES = 20
LEAVES = 31


def save(folder, name, nodes, outputs, constants, opsets):
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", FEATURES])]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    checker.check_model(model, full_check=True)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def mlp(folder):
    rng = np.random.default_rng(1)
    widths = [FEATURES, 64, 32, 1]
    nodes, constants, last = [], [], "input"
    for i, (rows, columns) in enumerate(zip(widths, widths[1:])):
        weights = rng.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)
        constants += [
            numpy_helper.from_array(weights, f"w{i}"),
            numpy_helper.from_array(np.zeros(columns, np.float32), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"]))
        last = "probability" if columns == 1 else f"a{i}"
        nodes.append(helper.make_node("Sigmoid" if columns == 1 else "Relu", [f"z{i}"], [last]))
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1])]
    save(folder, "mlp", nodes, outputs, constants, [helper.make_opsetid("", 17)])


def trees(folder, count):
    rng = np.random.default_rng(count)
    a = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    leaf = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(count):
        children, leaves, next_id = {}, [0], 1
        while len(leaves) < LEAVES:
            split = leaves.pop(rng.integers(len(leaves)))
            children[split] = (next_id, next_id + 1)
            leaves += [next_id, next_id + 1]
            next_id += 2
        for node in range(next_id):
            yes, no = children.get(node, (0, 0))
            inner = node in children
            for key, value in zip(
                a,
                (
                    tree,
                    node,
                    int(rng.integers(FEATURES)) if inner else 0,
                    float(np.float32(rng.normal())) if inner else 0.0,
                    "BRANCH_LEQ" if inner else "LEAF",
                    yes,
                    no,
                ),
            ):
                a[key].append(value)
            if not inner:
                for key, value in zip(leaf, (tree, node, 0, float(np.float32(rng.normal(0, 0.06))))):
                    leaf[key].append(value)
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["input"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="LOGISTIC",
        **{f"nodes_{key}": value for key, value in a.items()},
        **{f"class_{key}": value for key, value in leaf.items()},
    )
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
    ]
    save(folder, f"gbt{count}", [node], outputs, [], [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
mlp(folder)
trees(folder, 100)
trees(folder, 500)
