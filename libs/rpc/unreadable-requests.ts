import { type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';

/** What a caller is told whose request cannot be read, whatever carries it; INVALID_ARGUMENT. */
export const unreadable = {
  message: 'the request is not a protobuf message of this method',
  compression: 'the request is not compressed as grpc-encoding says',
  timeout: 'grpc-timeout: expected at most 8 digits and one of H, M, S, m, u, n',
} as const;

/** What grpc-js calls INTERNAL and is the caller's: each by the beginning of its words. */
const callersFaults = [
  ['Error deserializing request', unreadable.message],
  ['Failed to decompress message', unreadable.compression],
  ['Invalid grpc-timeout value', unreadable.timeout],
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
