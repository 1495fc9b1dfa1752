import { MillraceError } from '#libs/errors/millrace-error.js';

/** What the protocol has and this mesh does not offer, each with what to do instead. */
export const notOffered = {
  load: 'versions are not loaded by hand: a version goes live by its rollout, and workers load it then (millrace rollout start)',
  unload: 'versions are not unloaded by hand: what no route names any more, workers unload by themselves',
  sharedMemory: 'tensors travel in requests, not in shared memory',
  trace: 'tracing is not set here: calls are traced by OpenTelemetry as the services are configured',
  logging: 'logging is not set here: it is the service setting LOG_LEVEL',
  generate: 'endpoints answer infer; generate is not offered',
} as const;

/** @throws MillraceError unimplemented */
export function refuseNotOffered(what: keyof typeof notOffered): never {
  throw new MillraceError('unimplemented', notOffered[what]);
}
