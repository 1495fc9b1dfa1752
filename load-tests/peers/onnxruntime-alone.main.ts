import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** `onnxruntime-alone.main.js <model file> <rows> <columns> <seconds> <values as JSON>`: prints the output of one run and rows a second, nothing but runs of so many rows, one after another. */
const [, , file, rowsText, widthText, secondsText, valuesText] = process.argv as string[];
const [rows, width, seconds] = [Number(rowsText), Number(widthText), Number(secondsText)];
const session = await InferenceSession.create(readFileSync(file!), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
});
const row = JSON.parse(valuesText!) as number[];
const input = Float32Array.from({ length: rows * width }, (_, i) => row[i % width]!);
const feeds = { [session.inputNames[0]!]: new Tensor('float32', input, [rows, width]) };
const run = async (forMs: number): Promise<number> => {
  const startedMs = performance.now();
  let runs = 0;
  while (performance.now() - startedMs < forMs) {
    await session.run(feeds);
    runs += 1;
  }
  return (runs * rows * 1_000) / (performance.now() - startedMs);
};
await run(300); // warm
const rowsPerSecond = await run(seconds * 1_000);
const result = await session.run(feeds);
const scores = Array.from(result[session.outputNames[0]!]!.data as Float32Array);
console.log(JSON.stringify({ rowsPerSecond: Math.round(rowsPerSecond), scores }));
