import type { Metrics } from '#libs/telemetry/metrics.js';
import { ExplanationObserver } from './domain/explanation.js';
import { WorkerObserver } from './domain/ports.js';

const table = {
  batches: {
    type: 'counter',
    name: 'millrace_inference_worker_batches_total',
    help: 'Batches answered, by result: ok or the error code',
    labels: ['result'],
  },
  rows: {
    type: 'counter',
    name: 'millrace_inference_worker_rows_total',
    help: 'Rows of the batches answered, by result',
    labels: ['result'],
  },
  runSeconds: {
    type: 'histogram',
    name: 'millrace_inference_worker_run_seconds',
    help: 'How long one run of a model held the thread',
    buckets: [0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.02, 0.1],
  },
  runRows: {
    type: 'histogram',
    name: 'millrace_inference_worker_run_rows',
    help: 'Rows that shared one run',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
  },
  queueSeconds: {
    type: 'histogram',
    name: 'millrace_inference_worker_queue_seconds',
    help: 'How long the oldest batch of a run had waited, loading of its model included',
    buckets: [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
  },
  queuedRows: {
    type: 'gauge',
    name: 'millrace_inference_worker_queued_rows',
    help: 'Rows that wait for their run',
  },
  loads: {
    type: 'counter',
    name: 'millrace_inference_worker_model_loads_total',
    help: 'Models loaded, by result: ok or the error code',
    labels: ['result'],
  },
  loadSeconds: {
    type: 'histogram',
    name: 'millrace_inference_worker_model_load_seconds',
    help: 'Reading, checking, creating and trying out a model',
    buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  modelsLoaded: {
    type: 'gauge',
    name: 'millrace_inference_worker_models_loaded',
    help: 'Models that are loaded',
  },
  modelMemory: {
    type: 'gauge',
    name: 'millrace_inference_worker_model_memory_bytes',
    help: 'What the loaded models take, as measured when each was checked',
  },
  nonFinite: {
    type: 'counter',
    name: 'millrace_inference_worker_non_finite_outputs_total',
    help: 'Cells of an output that were NaN or infinite',
  },
} as const;

/** The worker's metrics, as the domain reports them. */
export class MetricsObserver extends WorkerObserver {
  private readonly made;

  constructor(metrics: Metrics) {
    super();
    this.made = metrics.create(table);
  }

  override answered(result: string, rows: number): void {
    this.made.batches.inc({ result });
    this.made.rows.inc({ result }, rows);
  }

  override ran(rows: number, seconds: number): void {
    this.made.runSeconds.observe(seconds);
    this.made.runRows.observe(rows);
  }

  override waited(seconds: number): void {
    this.made.queueSeconds.observe(seconds);
  }

  override queuedRows(rows: number): void {
    this.made.queuedRows.set(rows);
  }

  override loaded(result: string, seconds: number): void {
    this.made.loads.inc({ result });
    this.made.loadSeconds.observe(seconds);
  }

  override modelsLoaded(count: number, memoryBytes: number): void {
    this.made.modelsLoaded.set(count);
    this.made.modelMemory.set(memoryBytes);
  }

  override nonFinite(cells: number): void {
    this.made.nonFinite.inc(cells);
  }
}

const explanationTable = {
  rows: {
    type: 'counter',
    name: 'millrace_inference_worker_explained_rows_total',
    help: 'Rows that were to be explained, by result: tree-shap, permutation-shap or the error code',
    labels: ['result'],
  },
  seconds: {
    type: 'histogram',
    name: 'millrace_inference_worker_explanation_seconds',
    help: 'How long the explanation of one batch took, without its wait',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
  },
  waiting: {
    type: 'gauge',
    name: 'millrace_inference_worker_unexplained_rows',
    help: 'Rows that wait to be explained or are being explained',
  },
} as const;

/** The metrics of explanations, as the domain reports them. */
export class ExplanationMetrics extends ExplanationObserver {
  private readonly made;

  constructor(metrics: Metrics) {
    super();
    this.made = metrics.create(explanationTable);
  }

  override explained(result: string, rows: number, seconds: number): void {
    this.made.rows.inc({ result }, rows);
    if (seconds > 0) this.made.seconds.observe(seconds);
  }

  override waiting(rows: number): void {
    this.made.waiting.set(rows);
  }
}
