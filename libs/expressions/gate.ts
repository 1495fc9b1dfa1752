import { Environment } from '@marcbachmann/cel-js';

/** Metrics by group: `validate.auc` is values.validate.auc; a group may hold groups, as `live.validate.logloss`. */
export interface GateValues {
  readonly [group: string]: number | GateValues;
}

const environment = new Environment({ unlistedVariablesAreDyn: false })
  .registerVariable('validate', 'map')
  .registerVariable('parity', 'map')
  .registerVariable('live', 'map');

/** What is wrong with a gate; undefined = nothing. A gate is a CEL condition over validate.*, parity.* and live.*. */
export function checkGate(source: string): string | undefined {
  try {
    const { valid, type, error } = environment.parse(source).check();
    if (!valid) return `"${source}": ${error!.message.split('\n')[0]}`;
    return type === 'bool' || type === 'dyn'
      ? undefined
      : `"${source}" is ${type}; a gate is a condition, e.g. validate.auc >= 0.80`;
  } catch (error) {
    return `"${source}": ${(error as Error).message.split('\n')[0]}`;
  }
}

/** Whether a gate reads a group, e.g. `live`. */
export function gateReads(source: string, group: string): boolean {
  return new RegExp(`\\b${group}\\.`).test(source);
}

/** @throws Error where a metric that the gate reads is not there */
export function evaluateGate(source: string, values: GateValues): boolean {
  return environment.parse(source)(values as Record<string, unknown>) === true;
}
