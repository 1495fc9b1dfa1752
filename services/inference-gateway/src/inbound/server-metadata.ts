import type { ServerMetadataResponse } from '#libs/contracts/generated/inference/v2/inference.js';

/** What is offered beyond the protocol itself, by Triton's names for it. What is not in the list answers UNIMPLEMENTED. */
export const serverMetadata: ServerMetadataResponse = {
  name: 'millrace',
  version: '1',
  extensions: ['classification', 'schedule_policy', 'model_configuration', 'binary_tensor_data', 'statistics'],
};
