// Loads and releases a model over and over, as the built worker does, and prints how resident memory grew: `node load-soak.mjs <model-trial.js> <model.onnx>`.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [trialFile, modelFile] = process.argv.slice(2);
const { ModelTrial } = await import(pathToFileURL(trialFile).href);
const trial = new ModelTrial({ maxRows: 64, targetUs: 1_000 }, 1_000_000);
const bytes = readFileSync(modelFile);

async function loads(count) {
  for (let i = 0; i < count; i++) {
    const outcome = await trial.make(bytes, 'soak', performance.now());
    if (!outcome.ok) throw new Error(outcome.message);
    await outcome.model.release();
  }
  globalThis.gc();
  return process.memoryUsage.rss();
}

const settled = await loads(20);
const after = await loads(100);
console.log(JSON.stringify({ grownBytes: after - settled, modelBytes: bytes.length }));
