import {
  ModelInferRequest,
  type ModelMetadataResponse,
  type ModelMetadataResponse_TensorMetadata as Input,
} from '#libs/contracts/generated/inference/v2/inference.js';
import type { DepartureEvent } from './flight-events.js';
import { type MeshClient, patiently } from './mesh-client.js';

export interface Answers {
  readonly predictionIds: string[];
  readonly latenciesMs: number[];
}

const concurrency = 32;

/** Asks for every departure by itself, at its own instant, as an ordinary Open Inference Protocol client: inputs as the model's metadata names them. */
export async function predictDepartures(
  client: MeshClient,
  metadata: ModelMetadataResponse,
  departures: readonly DepartureEvent[],
  onAnswer: () => void,
): Promise<Answers> {
  const answers: Answers = { predictionIds: [], latenciesMs: [] };
  let next = 0;
  const askInTurn = async (): Promise<void> => {
    while (next < departures.length) {
      const request = requestFor(metadata, departures[next++]!);
      const startedMs = performance.now();
      const response = await patiently(() => client.gateway.call((stub) => stub.modelInfer, request, 10_000));
      answers.latenciesMs.push(performance.now() - startedMs);
      answers.predictionIds.push(stringOf(response.rawOutputContents[1]!));
      onAnswer();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, askInTurn));
  return answers;
}

function requestFor(metadata: ModelMetadataResponse, departure: DepartureEvent): ModelInferRequest {
  const values = departure as unknown as Readonly<Record<string, unknown>>;
  return ModelInferRequest.fromPartial({
    modelName: metadata.name,
    id: departure.flight_id,
    inputs: metadata.inputs.map((input) => ({
      name: input.name,
      datatype: input.datatype,
      shape: [1],
      contents: contentsOf(input, values[input.name]),
    })),
  });
}

function contentsOf({ name, datatype }: Input, value: unknown): object {
  switch (datatype) {
    case 'BYTES':
      return { bytesContents: [Buffer.from(String(value))] };
    case 'INT32':
      return { intContents: [Number(value)] };
    case 'INT64':
      return { int64Contents: [typeof value === 'string' ? Date.parse(value) : Number(value)] };
    case 'FP64':
      return { fp64Contents: [Number(value)] };
    default:
      throw new Error(`input ${name}: datatype ${datatype} is not among the columns of a departure`);
  }
}

/** The first element of a BYTES tensor. */
function stringOf(bytes: Buffer): string {
  return bytes.toString('utf8', 4, 4 + bytes.readUInt32LE(0));
}
