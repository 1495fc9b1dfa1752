import {
  type GiveFeedbackRequest,
  PredictionFeedbackService,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import type { FeedbackCalls } from './feedback-calls.js';

export function serveFeedback(server: GrpcServer, calls: FeedbackCalls): void {
  server.addService(PredictionFeedbackService, {
    give: handle.unary(({ items }: GiveFeedbackRequest, { caller }: CallContext) => calls.give(items, caller.name)),
  });
}
