import type { Type } from '@nestjs/common';
import { StreamsApi } from './streams.api.js';

/** What answers the pages: one file a page, one row here. */
export const pageApis: Type<unknown>[] = [StreamsApi];
