"""An application that asks why, with tritonclient as it is: over gRPC, in a stream, over HTTP in binary and in JSON. `explain_client.py <grpc> <http> <token> <model>
<model without background> <rows.f32> <features>` prints what it got as one JSON object."""

import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

grpc_address, http_address, token, model, bare, rows_file, width = sys.argv[1:8]
headers = {"authorization": f"Bearer {token}"}
x = np.fromfile(rows_file, dtype="<f4").reshape(-1, int(width))
NAMED = ("probability", "contributions", "base_value")


def inputs(module, rows, **binary):
    made = []
    for name, datatype, array in [("features", "FP32", rows), ("key", "BYTES", np.array([b"k"] * len(rows), dtype=np.object_))]:
        made.append(module.InferInput(name, array.shape, datatype))
        made[-1].set_data_from_numpy(array, **binary)
    return made


def read(result):
    response = result.get_response()
    outputs = response["outputs"] if isinstance(response, dict) else response.outputs
    names = [output["name"] if isinstance(output, dict) else output.name for output in outputs]
    arrays = {name: result.as_numpy(name) for name in names}
    text = lambda values: [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
    return {
        name: text(values) if values.dtype == np.object_ else values.tolist()
        for name, values in arrays.items()
        if name != "prediction_id"
    }


def refused(call):
    try:
        call()
        return "answered"
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"


got = {}
with grpc.InferenceServerClient(grpc_address) as client:
    ask = lambda rows, **more: client.infer(more.pop("name", model), inputs(grpc, rows), headers=headers, **more)
    got["grpc"] = read(ask(x, parameters={"explain": True}))
    got["named"] = read(ask(x[:2], outputs=[grpc.InferRequestedOutput(name) for name in NAMED]))
    got["plain"] = read(ask(x[:2]))
    got["bare"] = refused(lambda: ask(x[:1], name=bare, parameters={"explain": True}))
    got["many"] = refused(lambda: ask(np.repeat(x[:1], 101, axis=0), parameters={"explain": True}))
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
    client.async_stream_infer(model, inputs(grpc, x[:2]), parameters={"explain": True})
    result, error = answers.get(timeout=30)
    got["stream"] = read(result) if error is None else str(error)
    client.stop_stream()
client = http.InferenceServerClient(http_address)
got["http"] = read(client.infer(model, inputs(http, x[:2]), headers=headers, parameters={"explain": True}))
wanted = [http.InferRequestedOutput(name, binary_data=False) for name in NAMED]
# JSON has no NaN, so the rows travel in binary and the answer in JSON.
got["json"] = read(client.infer(model, inputs(http, x[:2], binary_data=True), outputs=wanted, headers=headers))
client.close()
print(json.dumps(got))
