import type { Logger } from '#libs/telemetry/logger.js';
import { mergeMetrics, type MetricFamilies } from '#libs/telemetry/merge-metrics.js';
import type { Metrics } from '#libs/telemetry/metrics.js';
import type { FromProcess, ToProcess } from './process-messages.js';

/** What is used of a cluster.Worker. */
export interface ForkedProcess {
  readonly process: { readonly pid?: number | undefined; kill(signal: NodeJS.Signals): unknown };
  on(event: 'message', listener: (message: FromProcess) => void): unknown;
  on(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown;
  /** @param sent gets the error of a message that found nobody */
  send(message: ToProcess, sent: (error: Error | null) => void): unknown;
}

export interface FamilyTimes {
  /** Between its first end and the last, without having been ready: then it will not come. */
  readonly giveUpAfterMs: number;
  /** Without a sign of life, once it has been ready: then it is ended, and started again. A start may read for long, and says nothing meanwhile. */
  readonly silentAfterMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
}

interface Member {
  readonly number: number;
  forked: ForkedProcess | undefined;
  /** Why it is not ready; undefined = it is. */
  reason: string | undefined;
  heardMs: number;
  readySinceMs: number | undefined;
  hasBeenReady: boolean;
  failures: number;
  failingSinceMs: number | undefined;
  timer: NodeJS.Timeout | undefined;
  lastEnd: { code: number | null; signal: string | null } | undefined;
}

const firstDelayMs = 100;
const maxDelayMs = 5_000;
/** One that was ready for so long is well: the next end is a first one again. */
const wellAfterMs = 10_000;
const metricsWithinMs = 2_000;

/**
 * The primary of processes that share a service's addresses. It does no work of the service: it starts them, starts one that ends again, with growing delay, tells each whether the others are ready,
 * gathers their metrics, and stops them together.
 */
export class ProcessFamily {
  private readonly members: Member[];
  private readonly gathering = new Map<number, (number: number, families: MetricFamilies) => void>();
  private gathered = 0;
  private stopping: Promise<boolean> | undefined;
  private wasReady = false;
  private readonly watch: NodeJS.Timeout;
  private readonly counts;

  /** @param giveUp a process does not come, whatever is tried: the family is to be stopped, and left with an error */
  constructor(
    count: number,
    private readonly fork: (number: number) => ForkedProcess,
    private readonly metrics: Metrics,
    private readonly log: Logger,
    private readonly times: FamilyTimes,
    private readonly giveUp: () => void,
  ) {
    this.members = Array.from({ length: count }, (_, number) => ({
      number,
      forked: undefined,
      reason: 'is being started',
      heardMs: 0,
      readySinceMs: undefined,
      hasBeenReady: false,
      failures: 0,
      failingSinceMs: undefined,
      timer: undefined,
      lastEnd: undefined,
    }));
    this.counts = metrics.create({
      restarts: {
        type: 'counter',
        name: 'millrace_process_restarts_total',
        help: 'Processes of this service that ended by themselves and were started again',
      },
    });
    this.watch = setInterval(() => this.endSilent(), Math.min(1_000, times.silentAfterMs));
  }

  start(): void {
    for (const member of this.members) this.startOne(member);
  }

  /** SIGTERM to all, and waits for their drain. @returns whether each ended as asked; the second call is the first's */
  stop(): Promise<boolean> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  /** Of all that answer within two seconds, and of the primary. */
  async allMetrics(): Promise<string> {
    const id = (this.gathered += 1);
    const families = new Map<number, MetricFamilies>();
    const asked = this.members.filter(({ forked }) => forked !== undefined);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, metricsWithinMs);
      this.gathering.set(id, (number, its) => {
        families.set(number, its);
        if (families.size < asked.length) return;
        clearTimeout(timer);
        resolve();
      });
      for (const member of asked) this.tell(member, { kind: 'metrics-wanted', id });
    });
    this.gathering.delete(id);
    return mergeMetrics([await this.metrics.registry.getMetricsAsJSON(), ...families.values()]);
  }

  private startOne(member: Member): void {
    const forked = this.fork(member.number);
    Object.assign(member, { forked, heardMs: Date.now(), hasBeenReady: false, lastEnd: undefined, timer: undefined });
    this.log.info('process_forked', { number: member.number, pid: forked.process.pid });
    forked.on('message', (message) => this.heard(member, message));
    forked.on('exit', (code, signal) => this.ended(member, code, signal));
    this.tellOthers();
  }

  private heard(member: Member, message: FromProcess): void {
    member.heardMs = Date.now();
    if (message.kind === 'metrics') this.gathering.get(message.id)?.(member.number, message.families);
    else if (message.kind === 'all-metrics-wanted')
      void this.allMetrics().then((text) => this.tell(member, { kind: 'all-metrics', id: message.id, text }));
    else this.setState(member, message.reasons);
  }

  private setState(member: Member, reasons: Readonly<Record<string, string>>): void {
    const words = Object.entries(reasons).map(([dependency, reason]) => `${dependency}: ${reason}`);
    const reason = words.length === 0 ? undefined : words.join('; ');
    if (reason === undefined) {
      member.readySinceMs ??= Date.now();
      member.failingSinceMs = undefined;
      member.hasBeenReady = true;
    } else member.readySinceMs = undefined;
    if (reason === member.reason) return;
    member.reason = reason;
    this.tellOthers();
    if (this.wasReady || this.members.some((one) => one.reason !== undefined)) return;
    this.wasReady = true;
    this.log.info('service_started', { processes: this.members.length });
  }

  private ended(member: Member, code: number | null, signal: string | null): void {
    const nowMs = Date.now();
    if (member.readySinceMs !== undefined && nowMs - member.readySinceMs > wellAfterMs) member.failures = 0;
    Object.assign(member, { forked: undefined, readySinceMs: undefined, lastEnd: { code, signal } });
    if (this.stopping !== undefined) return;
    member.reason = 'ended, is being started again';
    member.failingSinceMs ??= nowMs;
    const failingForMs = nowMs - member.failingSinceMs;
    if (failingForMs > this.times.giveUpAfterMs) {
      this.log.error('process_does_not_start', { number: member.number, code, signal, failingForMs });
      return this.giveUp();
    }
    const againInMs = Math.min(maxDelayMs, firstDelayMs * 2 ** member.failures);
    member.failures += 1;
    this.log.error('process_ended', { number: member.number, code, signal, againInMs });
    member.timer = setTimeout(() => {
      this.counts.restarts.inc();
      this.startOne(member);
    }, againInMs);
    this.tellOthers();
  }

  private endSilent(): void {
    for (const { number, forked, heardMs, hasBeenReady } of this.members) {
      const silentMs = Date.now() - heardMs;
      if (forked === undefined || !hasBeenReady || silentMs <= this.times.silentAfterMs) continue;
      this.log.error('process_silent', { number, silentMs });
      forked.process.kill('SIGKILL');
    }
  }

  private tellOthers(): void {
    for (const member of this.members) {
      const others = this.members.filter((one) => one !== member && one.reason !== undefined);
      const reasons = Object.fromEntries(others.map(({ number, reason }) => [`process ${number}`, reason!]));
      this.tell(member, { kind: 'others', reasons });
    }
  }

  private tell({ forked }: Member, message: ToProcess): void {
    forked?.send(message, () => undefined); // one that has just ended is told when it comes again
  }

  private async stopAll(): Promise<boolean> {
    clearInterval(this.watch);
    await Promise.all(
      this.members.map(async ({ forked, timer }) => {
        clearTimeout(timer);
        if (forked === undefined) return;
        const ended = new Promise<void>((resolve) => forked.on('exit', () => resolve()));
        forked.process.kill('SIGTERM');
        const force = setTimeout(() => forked.process.kill('SIGKILL'), this.times.stopGraceMs);
        await ended;
        clearTimeout(force);
      }),
    );
    // One that was stopped before it listened for signals ended by the signal itself.
    return this.members.every(({ lastEnd }) => lastEnd?.code === 0 || lastEnd?.signal === 'SIGTERM');
  }
}
