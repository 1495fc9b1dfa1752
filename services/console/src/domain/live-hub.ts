import { type ErrorCode, errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { LiveEvents } from '../../views/mesh.view.js';
import type { MeshPicture } from './mesh-picture.js';
import type { Bulletin } from './ports.js';

export type Part = LiveEvents['refused']['part'];

/** One browser that looks. */
export interface Viewer {
  /** Parts that this person may see. */
  readonly parts: ReadonlySet<Part>;
  /** A Server-Sent Event, ready to be written. Must neither throw nor wait. */
  send(text: string): void;
}

const frameEveryMs = 1_000;
const bulletinEveryFrames = 2;

/** Makes each picture once for all who look, about once a second, and none while nobody does. */
export class LiveHub {
  private readonly viewers = new Set<Viewer>();
  private readonly newest = new Map<keyof LiveEvents, { part: Part; text: string }>();
  private timer: NodeJS.Timeout | undefined;
  private frames = 0;

  constructor(
    private readonly picture: MeshPicture,
    private readonly bulletin: Bulletin,
    private readonly onFrame: (seconds: number) => void = () => undefined,
  ) {}

  get size(): number {
    return this.viewers.size;
  }

  /** Sends what is known at once, then every change. Returns what ends it. */
  add(viewer: Viewer): () => void {
    this.viewers.add(viewer);
    if (viewer.parts.has('mesh')) viewer.send(event('history', this.picture.history));
    for (const { part, text } of this.newest.values()) if (viewer.parts.has(part)) viewer.send(text);
    if (this.viewers.size === 1) this.begin();
    return () => {
      this.viewers.delete(viewer);
      if (this.viewers.size === 0) this.end();
    };
  }

  private begin(): void {
    this.frames = 0;
    const run = async (): Promise<void> => {
      const startedMs = Date.now();
      await this.tick();
      if (this.viewers.size === 0) return;
      this.timer = setTimeout(run, Math.max(0, startedMs + frameEveryMs - Date.now()));
    };
    clearTimeout(this.timer);
    this.timer = setTimeout(run, 0);
  }

  private end(): void {
    clearTimeout(this.timer);
    this.newest.clear();
    this.picture.forget();
  }

  private async tick(): Promise<void> {
    const startedMs = performance.now();
    const asks = [this.make('mesh', 'mesh', () => this.picture.frame())];
    if (this.frames % bulletinEveryFrames === 0) {
      asks.push(this.make('alerts', 'alerts', () => this.bulletin.firing()));
      asks.push(this.make('rollouts', 'rollouts', () => this.bulletin.rollouts()));
    }
    this.frames += 1;
    await Promise.all(asks);
    this.onFrame((performance.now() - startedMs) / 1_000);
  }

  private async make<E extends 'mesh' | 'alerts' | 'rollouts'>(
    part: Part,
    name: E,
    ask: () => Promise<LiveEvents[E]>,
  ): Promise<void> {
    try {
      this.publish(part, name, await ask());
    } catch (error) {
      this.publish(part, 'refused', refusal(part, error));
    }
  }

  private publish<E extends keyof LiveEvents>(part: Part, name: E, value: LiveEvents[E]): void {
    const text = event(name, value);
    if (name !== 'refused') this.newest.set(name, { part, text });
    for (const viewer of this.viewers) if (viewer.parts.has(part)) viewer.send(text);
  }
}

export function refusal(part: Part, error: unknown): LiveEvents['refused'] {
  const code: ErrorCode = error instanceof MillraceError ? error.code : 'internal';
  return { part, code, message: errorMessage(error) };
}

/** As in the HTML standard, 9.2.6: name, one line of data, an empty line. */
export function event<E extends keyof LiveEvents>(name: E, value: LiveEvents[E]): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
