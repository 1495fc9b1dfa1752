import type { ModelInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';

/** The outputs of an answer by name: FP32 and FP64 as numbers, BYTES as strings, row-major. Outputs of another datatype are left out. */
export function readOutputs({ outputs, rawOutputContents }: ModelInferResponse): Map<string, (number | string)[]> {
  const read = new Map<string, (number | string)[]>();
  outputs.forEach(({ name, datatype }, i) => {
    const values = readers[datatype]?.(rawOutputContents[i] ?? Buffer.alloc(0));
    if (values !== undefined) read.set(name, values);
  });
  return read;
}

const readers: Readonly<Record<string, (raw: Buffer) => (number | string)[]>> = {
  FP32: (raw) => Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(i * 4)),
  FP64: (raw) => Array.from({ length: raw.length / 8 }, (_, i) => raw.readDoubleLE(i * 8)),
  BYTES: (raw) => {
    const texts: string[] = [];
    for (let at = 0; at < raw.length;) {
      const end = at + 4 + raw.readUInt32LE(at);
      texts.push(raw.toString('utf8', at + 4, end));
      at = end;
    }
    return texts;
  },
};
