import type { ModelConfigResponse, ModelMetadataResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export const datatypes = ['BYTES', 'INT32', 'INT64', 'FP64', 'FP32', 'BOOL'] as const;
export type Datatype = (typeof datatypes)[number];

export interface EndpointColumn {
  readonly name: string;
  readonly datatype: Datatype;
  /** Left out of all rows, they are asked as of now. */
  readonly optional: boolean;
}

/** What an endpoint takes and answers, as it says itself. */
export interface EndpointInputs {
  readonly columns: readonly EndpointColumn[];
  /** `probability` or `prediction`. */
  readonly score: string;
}

/** The one column that holds the vector whole. */
export const wholeVector = 'features';

/** @throws MillraceError unimplemented where the endpoint is of a model of tensors, which answers no rows */
export function endpointInputs(metadata: ModelMetadataResponse, config: ModelConfigResponse): EndpointInputs {
  const [score, id] = metadata.outputs;
  if (score === undefined || id?.name !== 'prediction_id')
    throw new MillraceError(
      'unimplemented',
      `endpoint ${metadata.name} is of a model of task tensors, which has no rows; batch runs are of tabular models`,
    );
  const optional = new Set((config.config?.input ?? []).filter((input) => input.optional).map(({ name }) => name));
  const columns = metadata.inputs.map(({ name, datatype }) => ({
    name,
    datatype: known(name, datatype),
    optional: optional.has(name),
  }));
  return { columns, score: score.name };
}

function known(name: string, datatype: string): Datatype {
  const found = datatypes.find((one) => one === datatype);
  if (found === undefined)
    throw new MillraceError('unimplemented', `input "${name}" has datatype ${datatype}, which batch runs cannot send`);
  return found;
}
