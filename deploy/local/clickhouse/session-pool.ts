import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChdbResult, Session } from 'chdb';
import { type DataInsert, insertFromFile } from './statement.js';

export interface EngineRequest {
  readonly sql: string;
  readonly insert: { readonly parts: DataInsert; readonly rows: Uint8Array } | undefined;
  readonly format: string;
  readonly parameters: Record<string, string | null>;
  readonly settings: Record<string, string>;
  readonly database: string | undefined;
  /** A sticky session: its temporary tables live until it has been idle. */
  readonly sessionId: string | undefined;
}

const stickyIdleMs = 60_000;
const maxSticky = 8;

/** The engine runs one statement at a time on a session, and many sessions at once: a pool of them, and sticky ones by name. */
export class SessionPool {
  private readonly idle: Session[] = [];
  private readonly waiting: Array<(session: Session) => void> = [];
  private readonly sticky = new Map<string, { session: Session; last: Promise<unknown>; usedAt: number }>();
  private readonly rowsFolder: string;
  private counter = 0;

  constructor(
    private readonly dataDir: string,
    size: number,
  ) {
    this.rowsFolder = join(dataDir, 'incoming');
    rmSync(this.rowsFolder, { recursive: true, force: true });
    mkdirSync(this.rowsFolder, { recursive: true });
    writeFileSync(join(dataDir, 'config.xml'), config);
    for (let i = 0; i < size; i++) this.idle.push(this.open());
    setInterval(() => this.closeIdleSticky(), stickyIdleMs / 4).unref();
  }

  /** Rejects with the engine's error; the session is as before afterwards. */
  async run(request: EngineRequest): Promise<ChdbResult> {
    if (request.sessionId !== undefined) return this.runSticky(request.sessionId, request);
    const session = this.idle.pop() ?? (await new Promise<Session>((resolve) => this.waiting.push(resolve)));
    try {
      return await this.execute(session, request);
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.idle.push(session);
      else next(session);
    }
  }

  private open(): Session {
    return new Session(join(this.dataDir, 'store'), {
      connectionArgs: ['--config-file', join(this.dataDir, 'config.xml')],
    });
  }

  private async runSticky(id: string, request: EngineRequest): Promise<ChdbResult> {
    let held = this.sticky.get(id);
    if (held === undefined) {
      if (this.sticky.size >= maxSticky)
        throw new Error('Code: 202. DB::Exception: Too many sessions at once. (TOO_MANY_SIMULTANEOUS_QUERIES)');
      held = { session: this.open(), last: Promise.resolve(), usedAt: Date.now() };
      this.sticky.set(id, held);
    }
    held.usedAt = Date.now();
    const { session } = held;
    const result = held.last.then(() => this.execute(session, request));
    held.last = result.catch(() => undefined); // the caller of that statement has its error
    return result;
  }

  private closeIdleSticky(): void {
    for (const [id, held] of this.sticky) {
      if (Date.now() - held.usedAt < stickyIdleMs) continue;
      this.sticky.delete(id);
      void held.last.then(() => held.session.close());
    }
  }

  private async execute(session: Session, request: EngineRequest): Promise<ChdbResult> {
    const names = Object.keys(request.settings);
    if (request.database !== undefined) await session.queryAsync(`USE ${quoteName(request.database)}`);
    try {
      if (names.length > 0)
        await session.queryAsync(
          `SET ${names.map((name) => `${name}='${quoteText(request.settings[name]!)}'`).join(', ')}`,
        );
      return request.insert === undefined
        ? await this.query(session, request)
        : await this.insert(session, request, request.insert);
    } finally {
      if (names.length > 0)
        await session.queryAsync(`SET ${names.map((name) => `${name}=DEFAULT`).join(', ')}`).catch(() => undefined); // an unknown setting was refused above
      if (request.database !== undefined) await session.queryAsync('USE default');
    }
  }

  private query(session: Session, { sql, parameters, format }: EngineRequest): Promise<ChdbResult> {
    return Object.keys(parameters).length === 0
      ? session.queryAsync(sql, { format })
      : session.queryBindAsync(sql, parameters, { format });
  }

  private async insert(
    session: Session,
    request: EngineRequest,
    { parts, rows }: NonNullable<EngineRequest['insert']>,
  ): Promise<ChdbResult> {
    const file = join(this.rowsFolder, String((this.counter += 1)));
    await writeFile(file, rows);
    try {
      return await this.query(session, { ...request, sql: insertFromFile(parts, file) });
    } finally {
      await rm(file, { force: true });
    }
  }
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

function quoteText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}

/** Bounds for a machine that runs the whole mesh. */
const config = `<clickhouse>
  <max_server_memory_usage>3000000000</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <background_pool_size>2</background_pool_size>
  <profiles><default>
    <max_memory_usage>2000000000</max_memory_usage>
    <max_threads>2</max_threads>
    <async_insert>0</async_insert>
    <max_result_bytes>1000000000</max_result_bytes>
  </default></profiles>
</clickhouse>
`;
