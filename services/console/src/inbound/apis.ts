import type { Type } from '@nestjs/common';
import { AuditApi } from './audit.api.js';
import { FeaturesApi } from './features.api.js';
import { StreamsApi } from './streams.api.js';

/** What answers the pages: one file a page, one row here. */
export const pageApis: Type<unknown>[] = [StreamsApi, FeaturesApi, AuditApi];
