import type { Answer, OutputTensor } from './answer.js';
import type { LiveEndpoint } from './arms.js';
import type { Explained } from './explainer.js';
import { explanationOutputs } from './explanation-outputs.js';
import type { InferRequest } from './infer-request.js';
import { respond } from './respond.js';
import type { Scored } from './scored.js';

/**
 * The answer as without explanation, and its outputs behind: those that are named, in the order in which they are; all four where the parameter `explain` asks for them.
 */
export function respondExplained(
  endpoint: LiveEndpoint,
  { id, outputs, explain }: Pick<InferRequest, 'id' | 'outputs' | 'explain'>,
  scored: Scored,
  predictionIds: readonly string[],
  explained: Explained,
): Answer {
  const others = outputs.filter(({ name }) => !explanationOutputs.includes(name));
  const answer = respond(endpoint, { id, outputs: others }, scored, predictionIds);
  const made = new Map([...answer.outputs, ...tensorsOf(explained)].map((tensor) => [tensor.name, tensor]));
  const named = outputs.length === 0 ? answer.outputs.map(({ name }) => name) : outputs.map(({ name }) => name);
  const wanted = new Set([...named, ...(explain === true ? explanationOutputs : [])]);
  return { ...answer, outputs: [...wanted].map((name) => made.get(name)!) };
}

function tensorsOf({ names, contributions, baseValues, by }: Explained): OutputTensor[] {
  const rows = baseValues.length;
  return [
    { name: 'contributions', datatype: 'FP64', shape: [rows, names.length], values: contributions },
    { name: 'base_value', datatype: 'FP64', shape: [rows], values: baseValues },
    { name: 'contribution_names', datatype: 'BYTES', shape: [names.length], values: names },
    { name: 'explained_by', datatype: 'BYTES', shape: [rows], values: by },
  ];
}
