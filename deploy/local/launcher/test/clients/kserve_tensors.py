"""An application that has KServe's Python client and a model of three datatypes, over REST in JSON and over gRPC. Prints what it got as one JSON object."""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

grpc_address, http_address, token, model = sys.argv[1:5]
headers = {"authorization": f"Bearer {token}"}


def request():
    arrays = {
        "half": ("FP16", np.array([0.5, 2.0], dtype=np.float16)),
        "count": ("INT64", np.array([4, 5], dtype=np.int64)),
        "keep": ("BOOL", np.array([True, False])),
    }
    inputs = []
    for name, (datatype, array) in arrays.items():
        made = InferInput(name, list(array.shape), datatype)
        made.set_data_from_numpy(array, binary_data=True)
        inputs.append(made)
    return InferRequest(model_name=model, infer_inputs=inputs)


def values(response):
    return [output.as_numpy().tolist() for output in response.outputs]


async def main():
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    over_rest = await rest.infer(f"http://{http_address}", request(), headers=headers, model_name=model)
    grpc = InferenceGRPCClient(grpc_address)
    over_grpc = await grpc.infer(request(), headers=list(headers.items()))
    print(json.dumps({"rest": values(over_rest), "grpc": values(over_grpc)}))


asyncio.run(main())
