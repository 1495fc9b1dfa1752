import { expect, it } from '@jest/globals';
import { ConnectionError, errorCode, frameFlag } from './frame.js';
import { HeaderBlocks, unpadded } from './header-blocks.js';

const { endHeaders, endStream, padded, priority } = frameFlag;
/** `:method: POST`, then `a: b` as a literal that no table keeps. */
const block = Buffer.from([0x83, 0x00, 1, 0x61, 1, 0x62]);
const headers = [':method', 'POST', 'a', 'b'];
const blocks = () => new HeaderBlocks(16_384);
const codeOf = (attempt: () => unknown): number | undefined => {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    return error.code;
  }
};

it('a block in one frame is decoded at once, with its padding and priority left out', () => {
  const first = { streamId: 5, end: true, isSelfDependent: false, headers };
  expect(blocks().begin(endHeaders | endStream, 5, block)).toEqual(first);
  const prioritised = Buffer.concat([Buffer.from([0, 0, 0, 3, 200]), block]);
  expect(blocks().begin(endHeaders | endStream | priority, 5, prioritised)).toEqual(first);
  const both = Buffer.concat([Buffer.of(2), prioritised, Buffer.alloc(2)]);
  expect(blocks().begin(endHeaders | priority | padded, 5, both)).toEqual({ ...first, end: false });
});

it('a stream that depends on itself is told, also where the dependency is exclusive', () => {
  const depends = (on: number[]) =>
    blocks().begin(endHeaders | priority, 5, Buffer.concat([Buffer.from([...on, 0]), block]))?.isSelfDependent;
  expect([depends([0, 0, 0, 5]), depends([0x80, 0, 0, 5]), depends([0, 0, 0, 7])]).toEqual([true, true, false]);
});

it('a block is joined from its frames however it is cut, and copied, for what was received is used again', () => {
  for (let cut = 0; cut <= block.length; cut += 1) {
    const all = blocks();
    const received = Buffer.from(block);
    expect(all.begin(endStream, 1, received.subarray(0, cut))).toBeUndefined();
    expect(all.isOpen).toBe(true);
    received.fill(0, 0, cut);
    const whole = all.goOn(endHeaders, 1, received.subarray(cut));
    expect(whole).toEqual({ streamId: 1, end: true, isSelfDependent: false, headers });
    expect(all.isOpen).toBe(false);
  }
});

it('a list that is larger than we take is told as such, and the next block is decoded', () => {
  const all = new HeaderBlocks(50);
  expect(all.begin(endHeaders, 1, block)).toMatchObject({ streamId: 1, headers: undefined });
  expect(all.begin(endHeaders, 3, Buffer.from([0x83]))).toMatchObject({ headers: [':method', 'POST'] });
});

it('crumbs, mountains and other streams end the connection', () => {
  const crumbs = blocks();
  crumbs.begin(0, 1, block);
  const crumb = () => {
    for (let i = 0; i < 20; i += 1) crumbs.goOn(0, 1, Buffer.alloc(0));
  };
  expect(codeOf(crumb)).toBe(errorCode.enhanceYourCalm);
  const mountain = blocks();
  mountain.begin(0, 1, Buffer.alloc(16_384));
  const pile = () => {
    for (let i = 0; i < 4; i += 1) mountain.goOn(0, 1, Buffer.alloc(16_384));
  };
  expect(codeOf(pile)).toBe(errorCode.enhanceYourCalm);
  const other = blocks();
  other.begin(0, 1, block);
  expect(codeOf(() => other.goOn(endHeaders, 3, Buffer.alloc(0)))).toBe(errorCode.protocolError);
  expect(codeOf(() => blocks().goOn(endHeaders, 1, block))).toBe(errorCode.protocolError);
  expect(codeOf(() => blocks().begin(endHeaders | priority, 1, Buffer.alloc(4)))).toBe(errorCode.frameSizeError);
  expect(codeOf(() => blocks().begin(endHeaders, 1, Buffer.from([0x80])))).toBe(errorCode.compressionError);
});

it('padding is as long as it says, up to all that is there', () => {
  const of = (...bytes: number[]) => unpadded(padded, Buffer.from(bytes));
  expect([...of(0, 7, 8)]).toEqual([7, 8]);
  expect([...of(1, 7, 8)]).toEqual([7]);
  expect([...of(2, 7, 8)]).toEqual([]);
  expect([...unpadded(0, Buffer.from([9, 9]))]).toEqual([9, 9]);
  for (const wrong of [[], [1], [3, 7, 8]]) expect(codeOf(() => of(...wrong))).toBe(errorCode.protocolError);
});
