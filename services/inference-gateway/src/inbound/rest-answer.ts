import {
  DataType,
  type ModelConfig,
  type ModelMetadataResponse,
  type ModelStatistics,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { elementsOfRaw } from '#libs/tensors/raw-tensor.js';
import type { Answer, OutputTensor } from '../domain/answer.js';
import { rawBytes } from './infer-message.js';

/** An answer over HTTP: JSON, and behind it the outputs that come in binary. */
export interface RestAnswer {
  readonly body: Buffer;
  /** Of the JSON; undefined = there is nothing behind it. */
  readonly jsonBytes: number | undefined;
}

/** @param isBinary which outputs come as raw bytes instead of JSON data */
export function restAnswer(answer: Answer, isBinary: (output: string) => boolean): RestAnswer {
  const blobs: Buffer[] = [];
  const outputs = answer.outputs.map((output) => {
    const { name, datatype, shape } = output;
    if (!isBinary(name)) return { name, datatype, shape, data: jsonData(output) };
    const bytes = rawBytes(output);
    blobs.push(bytes);
    return { name, datatype, shape, parameters: { binary_data_size: bytes.length } };
  });
  const json = Buffer.from(
    JSON.stringify({
      model_name: answer.modelName,
      model_version: answer.modelVersion,
      ...(answer.id === '' ? {} : { id: answer.id }),
      ...(answer.predictionId === undefined ? {} : { parameters: { prediction_id: answer.predictionId } }),
      ...(answer.fallback ? { parameters: { fallback: true } } : {}),
      outputs,
    }),
  );
  if (blobs.length === 0) return { body: json, jsonBytes: undefined };
  return { body: Buffer.concat([json, ...blobs]), jsonBytes: json.length };
}

/** @throws MillraceError unimplemented where JSON has no form for the elements, which FP16, BF16 and what is beyond 2^53 need none of in binary */
function jsonData(output: OutputTensor): unknown[] {
  if (!('data' in output)) return Array.from(output.values as ArrayLike<unknown>);
  const elements = elementsOfRaw(output);
  if (output.datatype.endsWith('INT64') && elements.some((element) => typeof element === 'string'))
    throw new MillraceError(
      'unimplemented',
      `output '${output.name}' has integers beyond 2^53, which JSON does not hold exactly; request it with binary_data`,
    );
  return elements;
}

export function metadataJson({ name, versions, platform, inputs, outputs }: ModelMetadataResponse): object {
  return { name, versions, platform, inputs, outputs };
}

export function configJson(config: ModelConfig): object {
  const { name, platform, backend, versionPolicy, maxBatchSize, input, output, modelTransactionPolicy } = config;
  const choice = versionPolicy?.policyChoice;
  return {
    name,
    platform,
    backend,
    version_policy: choice?.$case === 'specific' ? { specific: choice.specific } : {},
    max_batch_size: maxBatchSize,
    input: input.map(({ name, dataType, dims, optional }) => ({
      name,
      data_type: DataType[dataType],
      dims,
      optional,
    })),
    output: output.map(({ name, dataType, dims }) => ({ name, data_type: DataType[dataType], dims })),
    ...(config.schedulingChoice === undefined ? {} : { dynamic_batching: {} }),
    model_transaction_policy: modelTransactionPolicy,
  };
}

export function statisticsJson(statistics: readonly ModelStatistics[]): object {
  return {
    model_stats: statistics.map((one) => ({
      name: one.name,
      version: one.version,
      last_inference: one.lastInference,
      inference_count: one.inferenceCount,
      execution_count: one.executionCount,
      inference_stats: {
        success: one.inferenceStats?.success,
        fail: one.inferenceStats?.fail,
        queue: one.inferenceStats?.queue,
        compute_input: one.inferenceStats?.computeInput,
        compute_infer: one.inferenceStats?.computeInfer,
        compute_output: one.inferenceStats?.computeOutput,
        cache_hit: one.inferenceStats?.cacheHit,
        cache_miss: one.inferenceStats?.cacheMiss,
      },
      batch_stats: [],
      memory_usage: [],
    })),
  };
}
