import { ModelInferRequest, ModelInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { featureCount } from './peer.js';

export const modelInfer = '/inference.GRPCInferenceService/ModelInfer';
export const modelStreamInfer = '/inference.GRPCInferenceService/ModelStreamInfer';

/** One FP32 tensor [rows, 20], raw. */
export function inferRequest(modelName: string, inputName: string, rows: Float32Array): Uint8Array {
  const shape = [rows.length / featureCount, featureCount];
  const inputs = [{ name: inputName, datatype: 'FP32', shape }];
  return ModelInferRequest.encode(
    ModelInferRequest.fromPartial({ modelName, id: '1', inputs, rawInputContents: [float32Bytes(rows)] }),
  ).finish();
}

/** The first output, which is FP32 everywhere here, sent raw or typed. */
export function inferScores(answer: Uint8Array): Float32Array {
  const { outputs, rawOutputContents } = ModelInferResponse.decode(answer);
  const [raw] = rawOutputContents;
  return raw === undefined ? Float32Array.from(outputs[0]?.contents?.fp32Contents ?? []) : float32View(raw);
}
