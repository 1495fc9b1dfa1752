import { type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';

/** What grpc-js calls INTERNAL and is the caller's: each by the beginning of its words. */
const callersFaults = [
  ['Error deserializing request', 'the request is not a protobuf message of this method'],
  ['Failed to decompress message', 'the request is not compressed as grpc-encoding says'],
  ['Invalid grpc-timeout value', 'grpc-timeout: expected at most 8 digits and one of H, M, S, m, u, n'],
] as const;

/** A request that cannot be read is answered INVALID_ARGUMENT: the server itself is well. Costs a call nothing until it fails. */
export const blameUnreadableRequests: ServerInterceptor = (_method, call) => {
  const sendStatus = call.sendStatus.bind(call);
  call.sendStatus = (answer) => {
    const fault =
      answer.code === status.INTERNAL ? callersFaults.find(([words]) => answer.details?.startsWith(words)) : undefined;
    sendStatus(fault === undefined ? answer : { ...answer, code: status.INVALID_ARGUMENT, details: fault[1] });
  };
  // The call itself: the server asks no more of it than what it has, whatever the type says.
  return call as unknown as ServerInterceptingCall;
};
