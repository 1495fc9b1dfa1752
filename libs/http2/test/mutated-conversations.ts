import { frameFlag, frameType, settingId } from '../frame.js';
import { callHeaders, frame, message, number, preface, settings, unaryCall } from './raw-peer.js';

export type Random = () => number;

const [echo, chat] = ['/millrace.test.Attacked/Echo', '/millrace.test.Attacked/Chat'];
const { headers, data, continuation, rstStream, windowUpdate, ping, priority } = frameType;
const { endHeaders, endStream, padded } = frameFlag;

/** What an ordinary, if talkative, caller says: the parts are frames, the first is the preface. */
export function conversation(): Buffer[] {
  const block = callHeaders(echo, 'grpc-timeout', '5S', 'x-a', 'b'.repeat(50));
  const said = message(Buffer.from('of two frames'));
  return [
    preface,
    settings({ [settingId.initialWindowSize]: 100_000, [settingId.maxFrameSize]: 20_000 }),
    number(windowUpdate, 0, 1_000_000),
    ...unaryCalls(1, 3),
    frame(headers, endHeaders, 7, callHeaders(chat)),
    frame(data, 0, 7, message(Buffer.from('one'))),
    frame(ping, 0, 0, Buffer.from('how goes')),
    frame(headers, 0, 9, block.subarray(0, 20)),
    frame(continuation, 0, 9, block.subarray(20, 40)),
    frame(continuation, endHeaders, 9, block.subarray(40)),
    frame(data, 0, 9, said.subarray(0, 7)),
    frame(data, endStream | padded, 9, Buffer.concat([Buffer.of(3), said.subarray(7), Buffer.alloc(3)])),
    frame(data, 0, 7, message(Buffer.from('two'))),
    frame(priority, 0, 11, Buffer.from([0, 0, 0, 7, 9])),
    frame(headers, endHeaders, 11, callHeaders(echo)),
    number(rstStream, 11, 8),
    number(windowUpdate, 7, 1_000),
    frame(frameType.settings, frameFlag.ack),
    frame(data, endStream, 7),
    ...unaryCalls(13, 2),
  ];
}

function unaryCalls(first: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => unaryCall(first + 2 * i, echo, Buffer.from(`call ${i}`)));
}

/** One to four changes of frames or bytes, at any place behind the preface, mostly. */
export function mutated(parts: readonly Buffer[], random: Random): Buffer {
  let changed: Buffer[] = parts.map((part) => Buffer.from(part));
  const below = (end: number): number => Math.floor(random() * end);
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = random() < 0.02 ? 0 : 1 + below(changed.length - 1);
    changed = mutations[below(mutations.length)]!(changed, at, below);
    if (changed.length < 2) break;
  }
  return Buffer.concat(changed);
}

type Mutation = (parts: Buffer[], at: number, below: (end: number) => number) => Buffer[];

const mutations: readonly Mutation[] = [
  changeByte((_, below) => below(256)),
  changeByte((byte, below) => byte ^ (1 << below(8))),
  // The head of a frame: its length, type, flags and stream.
  (parts, at, below) => {
    const part = parts[at]!;
    if (part.length >= 9) part[below(9)] = [0, 1, 2, 4, 5, 8, 9, 0x20, 0x7f, 0x80, 0xff][below(11)]!;
    return parts;
  },
  (parts, at) => parts.toSpliced(at, 1),
  (parts, at, below) => parts.toSpliced(below(parts.length), 0, parts[at]!),
  (parts, at, below) => parts.with(at, parts[at]!.subarray(0, below(parts[at]!.length))),
  (parts, at, below) => parts.with(at, Buffer.concat([parts[at]!, Buffer.from([below(256)])])),
  (parts, at, below) => {
    const other = below(parts.length);
    return parts.with(at, parts[other]!).with(other, parts[at]!);
  },
  (parts, at) => parts.slice(0, at),
  (parts, at, below) => {
    const noise = Buffer.from(Uint8Array.from({ length: below(40) }, () => below(256)));
    return parts.toSpliced(at, 0, frame(below(12), below(256), below(20), noise));
  },
];

function changeByte(change: (byte: number, below: (end: number) => number) => number): Mutation {
  return (parts, at, below) => {
    const part = parts[at]!;
    if (part.length === 0) return parts;
    const place = below(part.length);
    part[place] = change(part[place]!, below);
    return parts;
  };
}
