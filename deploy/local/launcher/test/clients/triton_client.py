"""An application that has tritonclient and knows nothing of Millrace: health, metadata, and one prediction of two rows. Prints what it got as one JSON object."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton

address, token, endpoint, rows = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
headers = {"authorization": f"Bearer {token}"}
client = triton.InferenceServerClient(address)
metadata = client.get_model_metadata(endpoint, headers=headers, as_json=True)
types = {"BYTES": np.object_, "INT32": np.int32, "INT64": np.int64, "FP32": np.float32, "FP64": np.float64}
inputs = []
for tensor in metadata["inputs"]:
    values = np.array([row[tensor["name"]] for row in rows], dtype=types[tensor["datatype"]])
    made = triton.InferInput(tensor["name"], values.shape, tensor["datatype"])
    made.set_data_from_numpy(values)
    inputs.append(made)
answer = client.infer(endpoint, inputs, request_id="from-triton", headers=headers)
try:
    client.infer("no-such-model", inputs, headers=headers)
    unknown = "answered"
except triton.InferenceServerException as error:
    unknown = f"{error.status()} {error.message()}"
print(
    json.dumps(
        {
            "live": client.is_server_live(headers=headers),
            "ready": client.is_server_ready(headers=headers),
            "modelReady": client.is_model_ready(endpoint, headers=headers),
            "outputs": [output["name"] for output in metadata["outputs"]],
            "id": answer.get_response().id,
            "version": answer.get_response().model_version,
            "probabilities": answer.as_numpy("probability").tolist(),
            "predictionIds": [value.decode() for value in answer.as_numpy("prediction_id")],
            "unknown": unknown,
        }
    )
)
