import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { type EndpointColumn, type EndpointInputs, wholeVector } from './endpoint-inputs.js';
import type { PreparedRow } from './prepare-chunks.js';
import type { Cell } from './read-cell.js';
import type { RunColumns } from './run-columns.js';

/** The lowest of the gateway: whoever waits for an answer goes first. */
const priority = 3;

export interface Asked {
  readonly endpoint: string;
  /** Empty = whichever is live. */
  readonly version: string;
  readonly inputs: EndpointInputs;
  readonly columns: RunColumns;
}

/** @param id of the request, which stands in the prediction log @param rows one or more */
export function encodeRequest(asked: Asked, id: string, rows: readonly PreparedRow[]): ModelInferRequest {
  const { sent, vectors } = asked.columns;
  const inputs = sent.map(({ name, datatype }) => ({ name, datatype, shape: [rows.length] }));
  const raw = sent.map((column, i) => encodeColumn(column, rows, i));
  if (vectors) {
    const width = rows[0]!.vector!.length;
    inputs.push({ name: wholeVector, datatype: 'FP32', shape: [rows.length, width] });
    raw.push(encodeVectors(rows, width));
  }
  return ModelInferRequest.fromPartial({
    modelName: asked.endpoint,
    modelVersion: asked.version,
    id,
    parameters: { priority: { parameterChoice: { $case: 'int64Param', int64Param: priority } } },
    inputs,
    outputs: [asked.inputs.score, 'prediction_id', 'model_version'].map((name) => ({ name })),
    rawInputContents: raw,
  });
}

/** Little-endian, one element a row; BYTES with their length before them, uint32. */
function encodeColumn({ datatype }: EndpointColumn, rows: readonly PreparedRow[], at: number): Buffer {
  if (datatype === 'BYTES') return encodeTexts(rows, at);
  const { bytes, write } = writers[datatype];
  const buffer = Buffer.alloc(rows.length * bytes);
  rows.forEach(({ cells }, i) => write(buffer, cells[at]!, i * bytes));
  return buffer;
}

const writers = {
  BOOL: { bytes: 1, write: (buffer: Buffer, cell: Cell, at: number) => buffer.writeUInt8(cell === true ? 1 : 0, at) },
  INT32: { bytes: 4, write: (buffer: Buffer, cell: Cell, at: number) => buffer.writeInt32LE(cell as number, at) },
  INT64: {
    bytes: 8,
    write: (buffer: Buffer, cell: Cell, at: number) => buffer.writeBigInt64LE(BigInt(cell as number), at),
  },
  FP32: { bytes: 4, write: (buffer: Buffer, cell: Cell, at: number) => buffer.writeFloatLE(cell as number, at) },
  FP64: { bytes: 8, write: (buffer: Buffer, cell: Cell, at: number) => buffer.writeDoubleLE(cell as number, at) },
};

function encodeTexts(rows: readonly PreparedRow[], at: number): Buffer {
  const parts: Buffer[] = [];
  for (const { cells } of rows) {
    const text = Buffer.from(cells[at] as string);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}

function encodeVectors(rows: readonly PreparedRow[], width: number): Buffer {
  const buffer = Buffer.alloc(rows.length * width * 4);
  rows.forEach(({ vector }, i) => {
    for (let j = 0; j < width; j++) buffer.writeFloatLE(vector![j]!, (i * width + j) * 4);
  });
  return buffer;
}
