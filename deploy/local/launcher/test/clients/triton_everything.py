"""An application that has tritonclient and uses all of it: gRPC, streams, HTTP, and both with asyncio. Prints what it got as one JSON object."""

import asyncio
import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException

grpc_address, http_address, token, model, rolling_out, single = sys.argv[1:7]
headers = {"authorization": f"Bearer {token}"}
COLUMNS = {
    "flight_id": ("BYTES", np.object_),
    "minute": ("INT32", np.int32),
    "seats": ("INT64", np.int64),
    "distance": ("FP64", np.float64),
    "hub": ("BOOL", np.bool_),
}


def rows(minutes):
    n = len(minutes)
    return {
        "flight_id": [f"f-{i}" for i in range(n)],
        "minute": minutes,
        "seats": [180] * n,
        "distance": [862.5] * n,
        "hub": [i % 2 == 0 for i in range(n)],
    }


def inputs_of(module, data, shape=None, types=COLUMNS, **binary):
    inputs = []
    for name, values in data.items():
        datatype, numpy_type = types[name]
        array = np.array(values, dtype=numpy_type).reshape(shape or (len(values),))
        made = module.InferInput(name, array.shape, datatype)
        made.set_data_from_numpy(array, **binary)
        inputs.append(made)
    return inputs


def refused(call):
    try:
        call()
        return "answered"
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"


def answer(result, name="probability"):
    return [round(float(value), 6) for value in result.as_numpy(name)]


def common(client, module):
    """What both protocols have."""
    found = {
        "live": client.is_server_live(headers=dict(headers)),
        "ready": client.is_server_ready(headers=dict(headers)),
        "modelReady": client.is_model_ready(model, headers=dict(headers)),
        "versionReady": client.is_model_ready(model, "3", headers=dict(headers)),
        "versionNotReady": client.is_model_ready(model, "9", headers=dict(headers)),
        "unknownReady": client.is_model_ready("no-such-model", headers=dict(headers)),
    }
    result = client.infer(model, inputs_of(module, rows([100, 200])), request_id="r-1", headers=dict(headers))
    ids = result.as_numpy("prediction_id")
    found["two"] = answer(result)
    found["ids"] = len({value for value in ids})
    found["column"] = answer(client.infer(model, inputs_of(module, rows([100, 200]), (2, 1)), headers=dict(headers)))
    subset = client.infer(
        model,
        inputs_of(module, rows([100, 700])),
        outputs=[module.InferRequestedOutput("probability", class_count=2)],
        headers=dict(headers),
    )
    found["classes"] = [[text.decode() for text in row] for row in subset.as_numpy("probability")]
    found["subset"] = subset.as_numpy("prediction_id") is None
    other = dict(COLUMNS, minute=("FP32", np.float32), seats=("UINT8", np.uint8), distance=("INT16", np.int16))
    data = dict(rows([100]), distance=[862])
    found["otherTypes"] = answer(client.infer(model, inputs_of(module, data, None, other), headers=dict(headers)))
    half = dict(COLUMNS, minute=("FP16", np.float16))
    found["half"] = answer(client.infer(model, inputs_of(module, rows([100]), None, half), headers=dict(headers)))
    inexact = inputs_of(module, dict(rows([100]), minute=[0.5]), None, other)
    found["inexact"] = refused(lambda: client.infer(model, inexact, headers=dict(headers)))
    found["unknown"] = refused(lambda: client.infer("no-such-model", inputs_of(module, rows([1])), headers=dict(headers)))
    found["unknownVersion"] = refused(
        lambda: client.infer(model, inputs_of(module, rows([1])), model_version="99", headers=dict(headers))
    )
    found["missing"] = refused(lambda: client.infer(model, inputs_of(module, {"minute": [1]}), headers=dict(headers)))
    found["unknownOutput"] = refused(
        lambda: client.infer(
            model, inputs_of(module, rows([1])), outputs=[module.InferRequestedOutput("OUT")], headers=dict(headers)
        )
    )
    found["load"] = refused(lambda: client.load_model(model, headers=dict(headers)))
    found["sharedMemory"] = refused(lambda: client.get_system_shared_memory_status(headers=dict(headers)))
    found["parameters"] = answer(
        client.infer(
            model,
            inputs_of(module, rows([100])),
            priority=1,
            timeout=5_000_000,
            parameters={"team": "x", "n": 7, "flag": True},
            sequence_id=42,
            sequence_start=True,
            headers=dict(headers),
        )
    )
    found["expired"] = refused(lambda: client.infer(model, inputs_of(module, rows([1])), timeout=1, headers=dict(headers)))
    return found, result


def over_grpc():
    client = grpc.InferenceServerClient(grpc_address)
    found, result = common(client, grpc)
    found["id"] = result.get_response().id
    found["version"] = result.get_response().model_version
    metadata = client.get_model_metadata(model, headers=dict(headers), as_json=True)
    found["metadata"] = [[one["name"], one["datatype"], one["shape"]] for one in metadata["inputs"]]
    found["extensions"] = client.get_server_metadata(headers=dict(headers), as_json=True)["extensions"]
    config = client.get_model_config(model, headers=dict(headers), as_json=True)["config"]
    found["config"] = [config["max_batch_size"], [one["data_type"] for one in config["input"]]]
    index = client.get_model_repository_index(headers=dict(headers), as_json=True)["models"]
    found["index"] = sorted([one["name"], one["version"], one["state"]] for one in index if one["name"] == rolling_out)
    stats = client.get_inference_statistics(model, headers=dict(headers), as_json=True)["model_stats"][0]
    found["success"] = int(stats["inference_stats"]["success"]["count"])
    found["fail"] = int(stats["inference_stats"]["fail"]["count"])
    found["gzip"] = answer(
        client.infer(model, inputs_of(grpc, rows([100])), compression_algorithm="gzip", headers=dict(headers))
    )
    mixed = client.infer(rolling_out, inputs_of(grpc, rows(list(range(40)))), headers=dict(headers))
    found["mixedVersions"] = sorted({value.decode() for value in mixed.as_numpy("model_version")})
    found["stream"] = streamed(client)
    return found


def streamed(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=dict(headers))
    for i in range(20):
        name = "no-such-model" if i == 7 else model
        client.async_stream_infer(
            name, inputs_of(grpc, rows([i])), request_id=str(i), enable_empty_final_response=i % 2 == 0
        )
    got = [answers.get(timeout=30) for _ in range(20)]
    client.stop_stream()
    return {
        "ids": [result.get_response().id for result, error in got if error is None],
        "errors": [error.message() for _, error in got if error is not None],
        "values": [answer(result)[0] for result, error in got if error is None],
        "final": all(
            result.get_response().parameters["triton_final_response"].bool_param for result, error in got if error is None
        ),
    }


def over_http():
    client = http.InferenceServerClient(http_address)
    found, result = common(client, http)
    found["id"] = result.get_response()["id"]
    found["version"] = result.get_response()["model_version"]
    found["binary"] = "binary_data_size" in result.get_output("probability")["parameters"]
    metadata = client.get_model_metadata(model, headers=dict(headers))
    found["metadata"] = [[one["name"], one["datatype"], one["shape"]] for one in metadata["inputs"]]
    found["extensions"] = client.get_server_metadata(headers=dict(headers))["extensions"]
    config = client.get_model_config(model, headers=dict(headers))
    found["config"] = [config["max_batch_size"], [one["data_type"] for one in config["input"]]]
    index = client.get_model_repository_index(headers=dict(headers))
    found["index"] = sorted([one["name"], one["version"], one["state"]] for one in index if one["name"] == rolling_out)
    stats = client.get_inference_statistics(model, headers=dict(headers))["model_stats"][0]
    found["success"] = stats["inference_stats"]["success"]["count"]
    found["fail"] = stats["inference_stats"]["fail"]["count"]
    found["json"] = answer(
        client.infer(
            model,
            inputs_of(http, rows([100]), binary_data=False),
            outputs=[http.InferRequestedOutput("probability", binary_data=False)],
            headers=dict(headers),
        )
    )
    found["gzip"] = [
        answer(
            client.infer(
                model,
                inputs_of(http, rows([100])),
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm,
                headers=dict(headers),
            )
        )
        for algorithm in ("gzip", "deflate")
    ]
    handle = client.async_infer(model, inputs_of(http, rows([300])), headers=dict(headers))
    found["async"] = answer(handle.get_result())
    raw = {**headers, "Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    response = client._post(f"v2/models/{single}/infer", np.array([250], np.int32).tobytes(), raw, None)
    found["raw"] = answer(
        http.InferenceServerClient.parse_response_body(
            response.read(), header_length=int(response.get("Inference-Header-Content-Length"))
        )
    )
    client.close()
    return found


async def with_asyncio():
    async with grpc_aio.InferenceServerClient(grpc_address) as client:
        results = await asyncio.gather(
            *(client.infer(model, inputs_of(grpc, rows([i])), headers=dict(headers)) for i in range(10))
        )
        over_aio = [answer(result)[0] for result in results]

        async def requests():
            for i in range(10):
                yield {"model_name": model, "inputs": inputs_of(grpc, rows([i])), "request_id": str(i)}

        streamed_ids = []
        async for result, error in client.stream_infer(requests(), headers=dict(headers)):
            streamed_ids.append(result.get_response().id if error is None else error.message())
    async with http_aio.InferenceServerClient(http_address) as client:
        results = await asyncio.gather(
            *(client.infer(model, inputs_of(http, rows([i])), headers=dict(headers)) for i in range(10))
        )
        over_http_aio = [answer(result)[0] for result in results]
        ready = await client.is_server_ready(headers=dict(headers))
    return {"grpc": over_aio, "stream": streamed_ids, "http": over_http_aio, "ready": ready}


print(json.dumps({"grpc": over_grpc(), "http": over_http(), "aio": asyncio.run(with_asyncio())}))
