import { MillraceError } from '#libs/errors/millrace-error.js';
import { checkRange, elementsOf, formatOf, miscounted, shown, type Tensor, type TensorHead } from './tensor-codec.js';

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

const maxDepth = 8;

/**
 * One tensor from its JSON data: a list of its elements, flat or nested in row-major order. BYTES are strings, BOOL true and false (or 1 and 0), all others numbers.
 * Empty data is a tensor of no elements.
 * @throws MillraceError invalid-argument naming the tensor, the element and what is right
 */
export function decodeJson(head: TensorHead, data: unknown, maxElements: number): Tensor {
  const elements = elementsOf(head, maxElements);
  const format = formatOf(head);
  const flat: unknown[] = [];
  flatten(head, data, flat, elements, 0);
  if (flat.length !== elements) refuse(miscounted(head, flat.length, elements));
  const { name, datatype, shape } = head;
  if (format === undefined) return { name, datatype, shape, values: flat.map((value, i) => text(head, value, i)) };
  const values = flat.map((value, i) => number(head, value, i));
  checkRange(head, values, format);
  return { name, datatype, shape, values };
}

function flatten(head: TensorHead, data: unknown, into: unknown[], elements: number, depth: number): void {
  if (!Array.isArray(data))
    return refuse(`input '${shown(head.name)}': data is ${kindOf(data)}, expected a list of its elements`);
  if (depth > maxDepth) refuse(`input '${shown(head.name)}': data is nested more than ${maxDepth} lists deep`);
  for (const item of data) {
    if (Array.isArray(item)) flatten(head, item, into, elements, depth + 1);
    else if (into.push(item) > elements) refuse(miscounted(head, into.length, elements));
  }
}

function text(head: TensorHead, value: unknown, i: number): string {
  return typeof value === 'string' ? value : wrong(head, value, i, 'a string');
}

function number(head: TensorHead, value: unknown, i: number): number {
  if (head.datatype === 'BOOL') {
    if (value === true || value === 1) return 1;
    return value === false || value === 0 ? 0 : wrong(head, value, i, 'true or false');
  }
  return typeof value === 'number' ? value : wrong(head, value, i, 'a number');
}

function wrong({ name, datatype }: TensorHead, value: unknown, i: number, right: string): never {
  return refuse(`input '${shown(name)}': element ${i} is ${kindOf(value)}; ${datatype} takes ${right}`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'object') return 'an object';
  return shown(JSON.stringify(value));
}
