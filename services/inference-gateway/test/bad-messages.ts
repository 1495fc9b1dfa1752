import {
  ModelInferRequest,
  ModelInferRequest_InferInputTensor as InputTensor,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { pick, type Random } from './random.js';

/** One request that is wrong, and what must be said of it. */
export interface BadRequest {
  readonly what: string;
  readonly bytes: Buffer;
  /** What the answer must name; undefined = the damage may fall anywhere, and may even leave a good request. */
  readonly names: string | undefined;
}

type Request = ReturnType<typeof good>;

const sizes = { INT32: 4, INT64: 8, FP64: 8, BOOL: 1 } as const;

/** A request of one row that is right, raw. */
export function good(model: string) {
  const input = (name: string, datatype: string) => ({
    name,
    datatype,
    shape: [1],
    parameters: {},
    contents: undefined,
  });
  const bytes = (datatype: keyof typeof sizes) => Buffer.alloc(sizes[datatype]);
  const text = Buffer.from([1, 0, 0, 0, 0x78]);
  return ModelInferRequest.fromPartial({
    modelName: model,
    inputs: [
      input('flight_id', 'BYTES'),
      input('minute', 'INT32'),
      input('seats', 'INT64'),
      input('distance', 'FP64'),
      input('hub', 'BOOL'),
    ],
    rawInputContents: [text, bytes('INT32'), bytes('INT64'), bytes('FP64'), bytes('BOOL')],
  });
}

const encoded = (request: Request): Buffer => Buffer.from(ModelInferRequest.encode(request).finish());
const names = [
  '../../etc/passwd',
  'a/b',
  '',
  'a b',
  'x'.repeat(10_000),
  '😀'.repeat(700),
  '%2e%2e',
  '\u0000',
  'constructor',
];
const worstSizes = [-1, -(2 ** 53) + 1, 2 ** 31, 2 ** 40, 2 ** 53 - 1, 7, 1_001];

/** Each damages a good request in one way of its own and says what the answer must name. */
const damages: Record<string, (request: Request, random: Random) => string | undefined> = {
  'a datatype that is not known': (request, random) => {
    const input = pick(random, request.inputs);
    input.datatype = pick(random, ['FP8', '', 'INT128', 'int32', '__proto__', 'toString', 'F'.repeat(5_000)]);
    return input.name;
  },
  'a datatype of another size': (request, random) => {
    const i = 1 + random(3);
    request.inputs[i]!.datatype = pick(random, ['BOOL', 'INT16', 'FP16', 'BF16', 'UINT8']);
    return request.inputs[i]!.name;
  },
  'text where a number belongs': (request, random) => {
    const i = 1 + random(4);
    request.inputs[i]!.datatype = 'BYTES';
    request.rawInputContents[i] = Buffer.from([1, 0, 0, 0, 0x31]);
    return request.inputs[i]!.name;
  },
  'a shape of absurd sizes': (request, random) => {
    const input = pick(random, request.inputs);
    input.shape = Array.from({ length: 1 + random(4) }, () => pick(random, worstSizes));
    return input.name;
  },
  'a shape of too many sizes, or of none': (request, random) => {
    const input = pick(random, request.inputs);
    input.shape = random(2) === 0 ? [] : Array.from({ length: 5 + random(2_000) }, () => 1);
    return input.name;
  },
  'rows that differ': (request, random) => {
    const i = 1 + random(4);
    const input = request.inputs[i]!;
    input.shape = [2];
    request.rawInputContents[i] = Buffer.alloc(2 * sizes[input.datatype as keyof typeof sizes]);
    return input.name;
  },
  'raw bytes cut off or too many': (request, random) => {
    const i = random(5);
    const raw = request.rawInputContents[i]!;
    const cut = random(2) === 0;
    request.rawInputContents[i] = cut
      ? raw.subarray(0, random(raw.length))
      : Buffer.concat([raw, Buffer.alloc(1 + random(50))]);
    return request.inputs[i]!.name;
  },
  'a string that says it is longer than all': (request, random) => {
    request.rawInputContents[0] = Buffer.from([random(256), random(256), 255, 255, 0x78]);
    return 'flight_id';
  },
  'typed and raw contents at once': (request, random) => {
    const input = pick(random, request.inputs);
    Object.assign(input, { contents: { ...InputTensor.fromPartial({ contents: {} }).contents!, intContents: [1] } });
    return input.name;
  },
  'typed contents of another type, or of another count': (request, random) => {
    request.rawInputContents = [];
    const empty = InputTensor.fromPartial({ contents: {} }).contents!;
    const right = [
      { bytesContents: [Buffer.from('x')] },
      { intContents: [1] },
      { int64Contents: [1] },
      { fp64Contents: [1] },
      { boolContents: [true] },
    ];
    const wrong = random(5);
    for (const [i, input] of request.inputs.entries())
      Object.assign(input, { contents: { ...empty, ...(i === wrong ? { fp32Contents: [1, 2, 3] } : right[i]) } });
    return request.inputs[wrong]!.name;
  },
  'a buffer too many or too few': (request, random) => {
    if (random(2) === 0) request.rawInputContents.pop();
    else request.rawInputContents.push(Buffer.alloc(4));
    return 'raw_input_contents';
  },
  'an input that is not known': (request, random) => {
    const i = random(5);
    request.inputs[i]!.name = pick(
      random,
      names.filter((name) => name !== ''),
    );
    return 'input';
  },
  'an input twice': (request, random) => {
    const i = 1 + random(4);
    request.inputs.push(request.inputs[i]!);
    request.rawInputContents.push(request.rawInputContents[i]!);
    return request.inputs[i]!.name;
  },
  'inputs by the thousand': (request) => {
    request.inputs = Array.from({ length: 5_000 }, () => request.inputs[0]!);
    return '5000 inputs';
  },
  'an input left out': (request, random) => {
    const i = random(5);
    const [input] = request.inputs.splice(i, 1);
    request.rawInputContents.splice(i, 1);
    return input!.name;
  },
  'a number that its column does not hold': (request, random) => {
    const i = 1 + random(2);
    request.inputs[i]!.datatype = 'FP64';
    request.rawInputContents[i] = Buffer.alloc(8);
    request.rawInputContents[i].writeDoubleLE(
      pick(random, [0.5, 1e300, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 60]),
    );
    return request.inputs[i]!.name;
  },
  'an integer beyond 2^53': (request) => {
    request.rawInputContents[2] = Buffer.from('ffffffffffffff7f', 'hex');
    return 'seats';
  },
  'a model that is not there': (request, random) => {
    request.modelName = pick(random, names);
    return 'Request for unknown model';
  },
  'a version that is not there': (request, random) => {
    request.modelVersion = pick(random, ['0', '99', '-1', '../3', 'latest', '9'.repeat(3_000)]);
    return 'version';
  },
  'an output that is not there': (request, random) => {
    request.outputs = [{ name: pick(random, names), parameters: {} }];
    return 'unexpected inference output';
  },
  'a parameter that is wrong': (request, random) => {
    const [name, choice] = pick(random, [
      ['timeout', { $case: 'int64Param', int64Param: -1 }],
      ['timeout', { $case: 'doubleParam', doubleParam: 0.5 }],
      ['priority', { $case: 'stringParam', stringParam: 'high' }],
      ['priority', undefined],
      ['sequence_start', { $case: 'int64Param', int64Param: 1 }],
      ['sequence_id', { $case: 'boolParam', boolParam: true }],
      ['triton_anything', { $case: 'boolParam', boolParam: true }],
    ] as const);
    request.parameters = { [name]: { parameterChoice: choice } };
    return name;
  },
  'classes that are none': (request, random) => {
    const int64Param = pick(random, [0, -1, -(2 ** 40)]);
    request.outputs = [
      { name: 'probability', parameters: { classification: { parameterChoice: { $case: 'int64Param', int64Param } } } },
    ];
    return 'classification';
  },
};

/** A size of 2^62, which no number of this language holds exactly. */
function hugeSize(model: string, random: Random): BadRequest {
  const request = good(model);
  const victim = random(5);
  const { name, datatype } = request.inputs[victim]!;
  const head = Buffer.from(InputTensor.encode(InputTensor.fromPartial({ name, datatype })).finish());
  const input = Buffer.concat([head, Buffer.from('1a09808080808080808040', 'hex')]);
  request.inputs.splice(victim, 1);
  const bytes = Buffer.concat([encoded(request), Buffer.from([0x2a, input.length]), input]);
  return { what: 'a size of 2^62', bytes, names: `'${name}'` };
}

/** Bytes that are cut off, or turned over somewhere. */
function damagedBytes(model: string, random: Random): BadRequest {
  const bytes = encoded(good(model));
  if (random(2) === 0)
    return { what: 'protobuf cut off', bytes: bytes.subarray(0, random(bytes.length)), names: undefined };
  for (let i = random(4); i >= 0; i--) bytes[random(bytes.length)] = random(256);
  return { what: 'protobuf with bytes turned over', bytes, names: undefined };
}

export function badRequest(model: string, random: Random): BadRequest {
  const kind = random(10);
  if (kind === 0) return hugeSize(model, random);
  if (kind <= 2) return damagedBytes(model, random);
  const what = pick(random, Object.keys(damages));
  const request = good(model);
  const named = damages[what]!(request, random);
  return { what, bytes: encoded(request), names: named };
}
