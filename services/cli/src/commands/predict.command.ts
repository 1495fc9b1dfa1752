import type { Command } from 'commander';
import { Metadata, credentials } from '@grpc/grpc-js';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest_InferInputTensor,
  type ModelInferResponse,
  type ModelMetadataResponse,
  ModelInferRequest,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { connectMesh } from '../connection.js';
import { type OutputOptions, printJson, printTable } from '../output.js';
import { readOutputs } from '../read-outputs.js';
import { showExplanation } from '../show-explanation.js';

export function addPredictCommand(program: Command): void {
  program
    .command('predict')
    .description(
      'ask an endpoint for a prediction, e.g. `millrace predict late-arrival origin=DEN destination=ORD ...`',
    )
    .argument('<endpoint>')
    .argument('[columns...]', 'column=value for every input that the endpoint lists')
    .option('--explain', 'what each feature contributed, too')
    .option('--json', 'print one JSON object')
    .action(predict);
}

interface PredictOptions extends OutputOptions {
  readonly explain?: boolean;
}

async function predict(endpoint: string, columns: string[], options: PredictOptions): Promise<void> {
  const mesh = connectMesh();
  const client = new GRPCInferenceServiceClient(mesh.services['inference-gateway'].grpc, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${mesh.token}`);
  const deadline = { deadline: Date.now() + 10_000 };
  const ask = <A>(run: (done: (error: Error | null, answer: A) => void) => unknown): Promise<A> =>
    new Promise((resolve, reject) =>
      run((error, answer) => (error ? reject(fromServiceError(error, 'inference-gateway')) : resolve(answer))),
    );
  try {
    const described = await ask<ModelMetadataResponse>((done) =>
      client.modelMetadata({ name: endpoint, version: '' }, metadata, deadline, done),
    );
    const request = ModelInferRequest.fromPartial({
      modelName: endpoint,
      inputs: inputsOf(described, parseColumns(columns)),
      parameters:
        options.explain === true ? { explain: { parameterChoice: { $case: 'boolParam', boolParam: true } } } : {},
    });
    const answer = await ask<ModelInferResponse>((done) => client.modelInfer(request, metadata, deadline, done));
    if (options.explain === true) explain(answer, options);
    else show(answer, options);
  } finally {
    client.close();
  }
}

function parseColumns(columns: string[]): Map<string, string> {
  return new Map(
    columns.map((column) => {
      const at = column.indexOf('=');
      if (at < 1) throw new MillraceError('invalid-argument', `"${column}" is not column=value`);
      return [column.slice(0, at), column.slice(at + 1)];
    }),
  );
}

/** One row, typed by the endpoint's metadata; columns left out are not sent, and the gateway says which it needs. */
function inputsOf(described: ModelMetadataResponse, values: Map<string, string>): ModelInferRequest_InferInputTensor[] {
  const known = new Map(described.inputs.map((input) => [input.name, input.datatype]));
  return [...values].map(([name, text]) => {
    const datatype = known.get(name);
    if (datatype === undefined)
      throw new MillraceError(
        'invalid-argument',
        `input "${name}" is not one of ${described.name}: ${[...known.keys()].join(', ')}`,
      );
    return { name, datatype, shape: [1], parameters: {}, contents: contentsOf(name, datatype, text) };
  });
}

function contentsOf(name: string, datatype: string, text: string): ModelInferRequest_InferInputTensor['contents'] {
  const empty = {
    boolContents: [],
    intContents: [],
    int64Contents: [],
    uintContents: [],
    uint64Contents: [],
    fp32Contents: [],
    fp64Contents: [],
    bytesContents: [],
  };
  if (datatype === 'BYTES') return { ...empty, bytesContents: [Buffer.from(text)] };
  if (datatype === 'BOOL') return { ...empty, boolContents: [text === 'true'] };
  const number = datatype === 'INT64' && Number.isNaN(Number(text)) ? Date.parse(text) : Number(text);
  if (Number.isNaN(number))
    throw new MillraceError('invalid-argument', `input "${name}": "${text}" is not a number (${datatype})`);
  const field = { INT32: 'intContents', INT64: 'int64Contents', FP32: 'fp32Contents', FP64: 'fp64Contents' }[datatype];
  if (field === undefined)
    throw new MillraceError(
      'unimplemented',
      `input "${name}" has datatype ${datatype}, which this command cannot send`,
    );
  return { ...empty, [field]: [number] };
}

function show(answer: ModelInferResponse, options: OutputOptions): void {
  const values = [...readOutputs(answer)].map(([name, [first]]) => [name, first] as const);
  const flat = { endpoint: answer.modelName, version: answer.modelVersion, ...Object.fromEntries(values) };
  if (options.json) printJson(flat);
  else
    printTable(
      Object.keys(flat).map((key) => key.toUpperCase()),
      [Object.values(flat)],
      '',
    );
}

function explain(answer: ModelInferResponse, options: OutputOptions): void {
  const outputs = readOutputs(answer);
  const first = (name: string) => outputs.get(name)?.[0];
  const contributions = outputs.get('contributions') ?? [];
  const explanation = {
    endpoint: answer.modelName,
    version: answer.modelVersion,
    predictionId: String(first('prediction_id')),
    score: Number(first('probability') ?? first('prediction')),
    by: String(first('explained_by')),
    baseValue: Number(first('base_value')),
    contributions: (outputs.get('contribution_names') ?? []).map((feature, i) => ({
      feature: String(feature),
      contribution: Number(contributions[i]),
    })),
  };
  showExplanation(explanation, options);
}
