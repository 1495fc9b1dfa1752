import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';

const airports = ['ORD', 'LAX', 'PHX', 'SFO', 'DFW', 'ATL', 'SEA', 'LAS', 'MSP', 'SLC'];
const atMs = Date.UTC(2001, 5, 28, 18);

/** Request number `i` of `rows` flights at one evening of the example, each row another flight. */
export function flightsRequest(i: number, rows: number): ModelInferRequest {
  const each = <T>(of: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => of(i * rows + row));
  const text = (name: string, of: (row: number) => string) => ({
    name,
    datatype: 'BYTES',
    shape: [rows],
    contents: { bytesContents: each(of).map((value) => Buffer.from(value)) },
  });
  const int = (name: string, of: (row: number) => number) => ({
    name,
    datatype: 'INT32',
    shape: [rows],
    contents: { intContents: each(of) },
  });
  return ModelInferRequest.fromPartial({
    modelName: 'late-arrival',
    id: String(i),
    inputs: [
      text('flight_id', (row) => `load-${row}`),
      {
        name: 'departed_at',
        datatype: 'INT64',
        shape: [rows],
        contents: { int64Contents: each((row) => atMs + (row % 600) * 60_000) },
      },
      int('local_minute', (row) => (row * 7) % 1_440),
      int('local_weekday', (row) => row % 7),
      text('origin', (row) => (row % 2 === 0 ? 'DEN' : airports[row % airports.length]!)),
      text('destination', (row) => (row % 2 === 0 ? airports[row % airports.length]! : 'DEN')),
      int('distance', (row) => 300 + (row % 20) * 50),
    ],
  });
}
