"""An application that has tritonclient and models of every kind: text, an image, several types at once. Prints what it got as one JSON object."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

grpc_address, http_address, token, text, image, mixed, foreign = sys.argv[1:8]
headers = {"authorization": f"Bearer {token}"}


def everything(module, client, json_too):
    def tensor(name, datatype, array, **how):
        made = module.InferInput(name, list(array.shape), datatype)
        made.set_data_from_numpy(array, **how)
        return made

    def ask(model, inputs, outputs=None, **more):
        return client.infer(model, inputs, outputs=outputs, headers=dict(headers), **more)

    def refusal(model, *inputs):
        try:
            ask(model, list(inputs))
        except InferenceServerException as error:
            return error.message()
        return "answered"

    words = np.array([["yes"], ["größer"], ["no"]], dtype=np.object_)
    pixels = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    three = [
        tensor("half", "FP16", np.array([0.5, 2.0], dtype=np.float16)),
        tensor("count", "INT64", np.array([4, 2**60], dtype=np.int64)),
        tensor("keep", "BOOL", np.array([True, True])),
    ]
    found = {}
    found["text"] = ask(text, [tensor("word", "BYTES", words)]).as_numpy("number").tolist()
    answer = ask(image, [tensor("image", "FP32", pixels)], [module.InferRequestedOutput("brightness")])
    found["image"] = answer.as_numpy("brightness").reshape(-1).tolist()
    found["grey"] = answer.as_numpy("grey") is None
    answer = ask(mixed, three, request_id="m-1")
    found["total"] = answer.as_numpy("total").tolist()
    found["kept"] = [str(value) for value in answer.as_numpy("kept").tolist()]
    response = answer.get_response()
    listed = response["outputs"] if json_too else response.outputs
    found["outputs"] = [output["name"] if json_too else output.name for output in listed]
    found["predicted"] = bool(
        response["parameters"]["prediction_id"] if json_too else response.parameters["prediction_id"].string_param
    )
    classes = module.InferRequestedOutput("total", class_count=1)
    found["classes"] = [value.decode() for value in ask(mixed, three, [classes]).as_numpy("total").reshape(-1).tolist()]
    if json_too:
        plain = tensor("word", "BYTES", words, binary_data=False)
        asked = module.InferRequestedOutput("number", binary_data=False)
        found["json"] = ask(text, [plain], [asked]).as_numpy("number").tolist()
    found["wrongName"] = refusal(text, tensor("x", "BYTES", words))
    found["wrongType"] = refusal(mixed, three[0], tensor("count", "INT32", np.array([1, 2], dtype=np.int32)), three[2])
    found["wrongRank"] = refusal(image, tensor("image", "FP32", pixels[0]))
    found["wrongSize"] = refusal(image, tensor("image", "FP32", np.zeros((1, 4, 2, 2), dtype=np.float32)))
    found["missing"] = refusal(mixed, three[0])
    found["uneven"] = refusal(mixed, three[0], tensor("count", "INT64", np.array([1, 2, 3])), three[2])
    double = ask(foreign, [tensor("words", "BYTES", words), tensor("numbers", "FP32", pixels[0, 0])])
    found["foreign"] = [
        [value.decode() for value in double.as_numpy("joined").reshape(-1).tolist()],
        double.as_numpy("doubled").tolist(),
    ]
    found["foreignRefuses"] = refusal(
        foreign, tensor("words", "BYTES", np.array([["refuse"]], dtype=np.object_)), tensor("numbers", "FP32", pixels[0, 0])
    )
    found["foreignFails"] = refusal(
        foreign, tensor("words", "BYTES", np.array([["fail"]], dtype=np.object_)), tensor("numbers", "FP32", pixels[0, 0])
    )
    return found


grpc = triton_grpc.InferenceServerClient(grpc_address)
http = triton_http.InferenceServerClient(http_address)
metadata = grpc.get_model_metadata(image, headers=headers, as_json=True)
config = http.get_model_config(mixed, headers=headers)
print(
    json.dumps(
        {
            "grpc": everything(triton_grpc, grpc, False),
            "http": everything(triton_http, http, True),
            "metadata": [
                [[tensor["name"], tensor["datatype"], tensor["shape"]] for tensor in metadata[part]]
                for part in ("inputs", "outputs")
            ],
            "config": [config["max_batch_size"], [tensor["data_type"] for tensor in config["input"]]],
        }
    )
)
