import { type ConditionValues, gateReads, gates as conditions } from '#libs/expressions/conditions.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Metrics } from './run.js';

export interface GateResult {
  readonly gate: string;
  readonly holds: boolean;
  /** The values that it was judged by, or why it holds by itself. */
  readonly because: string;
}

/** Judges gates such as `validate.auc >= 0.80` by a run's metrics. A gate that compares with the live version holds by itself while nothing is live. */
export function checkGates(gates: readonly string[], metrics: Metrics): GateResult[] {
  const values = nested(metrics);
  const hasLive = 'live' in values;
  return gates.map((gate) => {
    if (gateReads(gate, 'live') && !hasLive) return { gate, holds: true, because: 'nothing is live yet' };
    try {
      return {
        gate,
        holds: conditions.evaluate(gate, values),
        because: valuesIn(gate, metrics),
      };
    } catch (error) {
      return { gate, holds: false, because: `it cannot be judged: ${errorMessage(error).split('\n')[0]}` };
    }
  });
}

/** `{'a.b': 1}` as `{a: {b: 1}}`. */
function nested(metrics: Metrics): ConditionValues {
  const root: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(metrics)) {
    const path = name.split('.');
    const leaf = path.pop()!;
    const group = path.reduce((node, part) => (node[part] ??= {}) as Record<string, unknown>, root);
    group[leaf] = value;
  }
  return root as unknown as ConditionValues;
}

function valuesIn(gate: string, metrics: Metrics): string {
  return Object.entries(metrics)
    .filter(([name]) => new RegExp(`(^|[^\\w.])${name.replaceAll('.', '\\.')}(?![\\w.])`).test(gate))
    .map(([name, value]) => `${name} is ${Number(value.toPrecision(5))}`)
    .join(', ');
}
