-- Lineage: events as they came, and the graph that follows from them. An id is the SHA-256 of namespace, U+0000, name: both may be longer than an index takes.
CREATE TABLE IF NOT EXISTS lineage_events (
  seq bigserial PRIMARY KEY,
  digest bytea NOT NULL UNIQUE, -- SHA-256 of the event as RFC 8785 JSON: one that comes again counts once
  event_time timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  run_id uuid,
  event text NOT NULL -- the JSON that came
);
CREATE INDEX IF NOT EXISTS lineage_events_time ON lineage_events (event_time, seq);
CREATE TABLE IF NOT EXISTS lineage_jobs (
  id bytea PRIMARY KEY,
  namespace text NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  facets text NOT NULL, -- JSON: the newest of each name
  latest_run uuid
);
CREATE INDEX IF NOT EXISTS lineage_jobs_namespace ON lineage_jobs USING hash (namespace);
CREATE TABLE IF NOT EXISTS lineage_datasets (
  id bytea PRIMARY KEY,
  namespace text NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  facets text NOT NULL
);
CREATE INDEX IF NOT EXISTS lineage_datasets_namespace ON lineage_datasets USING hash (namespace);
CREATE TABLE IF NOT EXISTS lineage_edges (
  job bytea NOT NULL,
  dataset bytea NOT NULL,
  direction text NOT NULL, -- input | output
  PRIMARY KEY (job, dataset, direction)
);
CREATE INDEX IF NOT EXISTS lineage_edges_dataset ON lineage_edges (dataset);
CREATE TABLE IF NOT EXISTS lineage_runs (
  run_id uuid PRIMARY KEY,
  job bytea NOT NULL,
  state text NOT NULL, -- NEW | RUNNING | COMPLETED | FAILED | ABORTED
  started_ms double precision, -- epoch, by the events
  ended_ms double precision,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  facets text NOT NULL
);
