import { Environment } from '@marcbachmann/cel-js';

/** Values by group: `validate.auc` is values.validate.auc; a group may hold groups, as `live.validate.logloss`. */
export interface ConditionValues {
  readonly [group: string]: number | string | boolean | ConditionValues;
}

/** CEL conditions over named groups of values. */
export class Conditions {
  private readonly environment = new Environment({ unlistedVariablesAreDyn: false });

  constructor(
    private readonly groups: readonly string[],
    private readonly example: string,
  ) {
    for (const group of groups) this.environment.registerVariable(group, 'map');
  }

  /** What is wrong with a condition; undefined = nothing. */
  check(source: string): string | undefined {
    try {
      const { valid, type, error } = this.environment.parse(source).check();
      if (!valid) return `"${source}": ${error!.message.split('\n')[0]}`;
      return type === 'bool' || type === 'dyn'
        ? undefined
        : `"${source}" is ${type}; it is a condition, e.g. ${this.example}`;
    } catch (error) {
      return `"${source}": ${(error as Error).message.split('\n')[0]}`;
    }
  }

  /** A group that is not given is empty. @throws Error where a value that the condition reads is not there */
  evaluate(source: string, values: ConditionValues): boolean {
    const empty = Object.fromEntries(this.groups.map((group) => [group, {}]));
    return this.environment.parse(source)({ ...empty, ...values }) === true;
  }
}

/** Of a pipeline: over the run's metrics, and those of the live version on the same rows. */
export const gates = new Conditions(['validate', 'parity', 'live'], 'validate.auc >= 0.80');

/** Of a policy's approvals. */
export const approvalConditions = new Conditions(['endpoint', 'version'], 'endpoint.tier == "high"');

/** Whether a gate reads a group, e.g. `live`. */
export function gateReads(source: string, group: string): boolean {
  return new RegExp(`\\b${group}\\.`).test(source);
}
