import type { ServiceError } from '@grpc/grpc-js';
import {
  type GRPCInferenceServiceClient,
  type ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import type { RowAnswer } from '../domain/batch/ask-rows.js';
import { type Asked, encodeRequest } from '../domain/batch/encode-request.js';
import type { PreparedRow } from '../domain/batch/prepare-chunks.js';
import { readOutputs } from '../read-outputs.js';

const callDeadlineMs = 30_000;

/**
 * One request to the gateway, as any caller makes it.
 * @returns an answer for each row, in order
 * @throws MillraceError with the gateway's pushback; payload-too-large where it takes no message of that size
 */
export async function askGateway(
  peer: Peer<GRPCInferenceServiceClient>,
  asked: Asked,
  id: string,
  rows: readonly PreparedRow[],
): Promise<RowAnswer[]> {
  const request = encodeRequest(asked, id, rows);
  try {
    const response = await peer.call((stub) => stub.modelInfer, request, callDeadlineMs);
    return rowAnswers(response, asked.inputs.score, rows.length);
  } catch (error) {
    throw error instanceof MillraceError ? withPushback(error) : error;
  }
}

function rowAnswers(response: ModelInferResponse, scoreName: string, rows: number): RowAnswer[] {
  const outputs = readOutputs(response);
  const [scores, ids, versions] = [scoreName, 'prediction_id', 'model_version'].map((name) => outputs.get(name) ?? []);
  if (scores?.length !== rows || ids?.length !== rows || versions?.length !== rows)
    throw new MillraceError('internal', `inference-gateway: ${scores?.length} answers to ${rows} rows`);
  const said = response.parameters['fallback']?.parameterChoice;
  const fallback = said?.$case === 'boolParam' && said.boolParam;
  return scores.map((score, i) => ({
    score: score as number,
    predictionId: ids[i] as string,
    version: versions[i] as string,
    fallback,
  }));
}

/** What grpc-js says of a message over its bound is no matter of the moment. */
const tooLarge = /message larger than max/;

function withPushback(error: MillraceError): MillraceError {
  if (error.code === 'resource-exhausted' && tooLarge.test(error.message))
    return new MillraceError('payload-too-large', error.message, { cause: error });
  const [pushback] = (error.cause as Partial<ServiceError> | undefined)?.metadata?.get('grpc-retry-pushback-ms') ?? [];
  const retryAfterMs = Number(pushback);
  return pushback === undefined || Number.isNaN(retryAfterMs)
    ? error
    : new MillraceError(error.code, error.message, { cause: error, retryAfterMs });
}
