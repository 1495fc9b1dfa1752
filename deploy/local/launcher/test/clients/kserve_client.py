"""An application that has KServe's Python client, REST (JSON and binary) and gRPC. Prints what it got as one JSON object."""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

grpc_address, http_address, token, model = sys.argv[1:5]
headers = {"authorization": f"Bearer {token}"}


def request(binary, name=model):
    arrays = {
        "flight_id": ("BYTES", np.array([b"f-1", b"f-2"], dtype=np.object_)),
        "minute": ("INT32", np.array([100, 200], dtype=np.int32)),
        "seats": ("INT64", np.array([180, 180], dtype=np.int64)),
        "distance": ("FP64", np.array([862.5, 862.5])),
        "hub": ("BOOL", np.array([True, False])),
    }
    inputs = []
    for column, (datatype, array) in arrays.items():
        made = InferInput(column, list(array.shape), datatype)
        made.set_data_from_numpy(array, binary_data=binary)
        inputs.append(made)
    outputs = [RequestedOutput("probability", {"binary_data": binary})]
    return InferRequest(model_name=name, infer_inputs=inputs, request_id="from-kserve", request_outputs=outputs)


def values(response):
    return [round(float(value), 6) for value in response.outputs[0].as_numpy()]


async def over_rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://{http_address}"
    found = {
        "live": await client.is_server_live(base),
        "ready": await client.is_server_ready(base),
        "modelReady": await client.is_model_ready(base, model, headers=headers),
        "unknownReady": await client.is_model_ready(base, "no-such-model", headers=headers),
    }
    for name, binary in (("json", False), ("binary", True)):
        response = await client.infer(base, request(binary), model_name=model, headers=headers)
        found[name] = values(response)
        found["id"] = response.id
    try:
        await client.infer(base, request(False, "no-such-model"), model_name="no-such-model", headers=headers)
    except httpx.HTTPStatusError as error:
        found["unknown"] = f"{error.response.status_code} {error}"
    await client.close()
    return found


async def over_grpc():
    client = InferenceGRPCClient(grpc_address)
    metadata = [("authorization", f"Bearer {token}")]
    response = await client.infer(request(True), headers=metadata)
    found = {
        "live": await client.is_server_live(headers=metadata),
        "ready": await client.is_server_ready(headers=metadata),
        "modelReady": await client.is_model_ready(model, headers=metadata),
        "values": values(response),
        "id": response.id,
    }
    await client.close()
    return found


async def main():
    print(json.dumps({"rest": await over_rest(), "grpc": await over_grpc()}))


asyncio.run(main())
