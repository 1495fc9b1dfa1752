import type { Type } from '@nestjs/common';
import { ApprovalsApi } from './approvals.api.js';
import { AuditApi } from './audit.api.js';
import { DriftApi } from './drift.api.js';
import { FeaturesApi } from './features.api.js';
import { ModelsApi } from './models.api.js';
import { PredictionsApi } from './predictions.api.js';
import { RolloutsApi } from './rollouts.api.js';
import { StreamsApi } from './streams.api.js';
import { TraceApi } from './trace.api.js';

/** What answers the pages: one file a page, one row here. */
export const pageApis: Type<unknown>[] = [
  StreamsApi,
  FeaturesApi,
  ModelsApi,
  RolloutsApi,
  DriftApi,
  PredictionsApi,
  TraceApi,
  ApprovalsApi,
  AuditApi,
];
