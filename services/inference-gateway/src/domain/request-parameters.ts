import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown } from '#libs/tensors/tensor-codec.js';

/** A parameter's value, whatever it came in; undefined = it has none. */
export type ParameterValue = boolean | number | string | undefined;
export type ReadParameter = (name: string) => ParameterValue;

const maxTimeoutUs = 86_400_000_000; // a day; a longer one is as good as none
const emptyFinalResponse = 'triton_enable_empty_final_response';

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * Checks what the protocol reserves; a parameter of another name is taken and does nothing. A model keeps nothing between requests, so a sequence's parameters
 * are checked and do nothing either.
 * @returns when the request expires, epoch ms; Infinity = never
 * @throws MillraceError invalid-argument naming the parameter, its value and what would be right
 */
export function expiryOf(names: readonly string[], read: ReadParameter): number {
  let expiresAtMs = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const value = read(name);
    if (name === 'timeout') {
      const timeoutUs = wholeNumber(name, value, 'microseconds');
      if (timeoutUs > 0 && timeoutUs < maxTimeoutUs) expiresAtMs = Date.now() + timeoutUs / 1_000;
    } else if (name === 'priority') wholeNumber(name, value, '0 for the default or a level');
    else if (name === 'sequence_start' || name === 'sequence_end' || name === 'binary_data_output') flag(name, value);
    else if (name === 'sequence_id') {
      if (typeof value !== 'string') wholeNumber(name, value, 'or a string');
    } else if (name === emptyFinalResponse) flag(name, value);
    else if (name.startsWith('triton_'))
      refuse(
        `parameter '${shown(name)}': names that begin with 'triton_' are reserved; ${emptyFinalResponse} is the only one that is taken`,
      );
  }
  return expiresAtMs;
}

/** Of parameters that have been checked. 0 = the default, also where none is given. */
export function priorityOf(read: ReadParameter): number {
  const value = read('priority');
  return typeof value === 'number' ? value : 0;
}

/** @returns how many classes an output's parameter `classification` asks for; 0 = it has none. @throws MillraceError invalid-argument */
export function classesOf(output: string, value: ParameterValue, given: boolean): number {
  if (!given) return 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  return refuse(
    `output '${shown(output)}': parameter 'classification' is ${said(value)}, expected how many classes, 1 or more`,
  );
}

/** @throws MillraceError invalid-argument */
export function flag(name: string, value: ParameterValue): boolean {
  return typeof value === 'boolean' ? value : refuse(`parameter '${name}' is ${said(value)}, expected true or false`);
}

function wholeNumber(name: string, value: ParameterValue, unit: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  return refuse(`parameter '${name}' is ${said(value)}, expected a whole number of 0 or more, ${unit}`);
}

function said(value: ParameterValue): string {
  return value === undefined ? 'empty' : shown(JSON.stringify(value));
}
