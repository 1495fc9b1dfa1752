import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Attacked } from './attacked-process.js';
import { type Conformance, conformanceOf } from './h2spec.js';

jest.setTimeout(180_000);

let attacked: Attacked;
let cases: Conformance[];

beforeAll(async () => {
  attacked = await Attacked.start();
  cases = await conformanceOf(attacked.port);
});
afterAll(() => attacked.stop());

describe('HTTP/2 as h2spec has it', () => {
  it('is kept in all sections', () => {
    expect(new Set(cases.map(({ name }) => name.split('/')[0]))).toEqual(new Set(['generic', 'http2', 'hpack']));
    expect(cases.length).toBeGreaterThan(140);
    expect(cases.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });

  it('and the server goes on', async () => {
    expect(await attacked.call()).toBeLessThan(1_000);
  });
});
