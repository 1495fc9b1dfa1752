import { EntityLog } from '#libs/windows/entity-log.js';
import type { Lookup, ViewPlan } from './plans.js';
import type { HistoryStore } from './ports.js';
import { entityOf, measuresOf } from './view-writer.js';

/** The logs of views made anew from history: same measures, same engine, another way than the online store. */
export class OfflineLogs {
  private readonly logs = new Map<string, EntityLog>();

  constructor(private readonly views: readonly ViewPlan[]) {}

  /** Reads the streams of the views, each once, from the longest window before `fromMs` on. */
  async load(history: HistoryStore, fromMs: number, toMs: number): Promise<void> {
    for (const stream of new Set(this.views.map((view) => view.stream))) {
      const views = this.views.filter((view) => view.stream === stream);
      const reach = Math.max(...views.map((view) => view.maxWindowMs));
      for await (const row of history.rows(stream, fromMs - reach, toMs)) {
        for (const view of views) {
          const entity = entityOf(view, row.columns);
          if (entity === undefined) continue;
          this.logOf(view, entity).insert(row.eventTimeMs, row.partition, row.offset, measuresOf(view, row.columns));
        }
      }
    }
  }

  get(lookup: Lookup, entity: string): EntityLog | undefined {
    return this.logs.get(`${lookup.view.id}:${entity}`);
  }

  private logOf(view: ViewPlan, entity: string): EntityLog {
    const key = `${view.id}:${entity}`;
    let log = this.logs.get(key);
    if (log === undefined) {
      log = new EntityLog(view.measures.length);
      this.logs.set(key, log);
    }
    return log;
  }
}

export function viewsOf(items: readonly ({ readonly lookup: Lookup } | object)[]): ViewPlan[] {
  const views = new Map(
    items.flatMap((item) => ('lookup' in item ? [[item.lookup.view.id, item.lookup.view] as const] : [])),
  );
  return [...views.values()];
}
