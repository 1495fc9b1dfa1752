CREATE TABLE IF NOT EXISTS definitions (
  kind text NOT NULL,
  name text NOT NULL,
  generation bigint NOT NULL,
  digest text NOT NULL,
  spec text NOT NULL, -- normalised, as JSON text: the order of what has an order is kept
  deleted boolean NOT NULL DEFAULT false,
  changed_at timestamptz NOT NULL DEFAULT now(),
  changed_by text NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE TABLE IF NOT EXISTS runs (
  run_id text PRIMARY KEY,
  record bytea NOT NULL, -- millrace.registry.v1.RunRecord
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS model_versions (
  model text NOT NULL,
  number integer NOT NULL,
  run_id text NOT NULL,
  onnx_sha256 text NOT NULL,
  record bytea NOT NULL, -- millrace.registry.v1.ModelVersion, without aliases
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (model, number),
  UNIQUE (model, run_id, onnx_sha256)
);
CREATE TABLE IF NOT EXISTS aliases (
  model text NOT NULL,
  alias text NOT NULL,
  number integer NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, number) REFERENCES model_versions
);
CREATE TABLE IF NOT EXISTS routes (
  endpoint text PRIMARY KEY,
  record bytea NOT NULL -- millrace.registry.v1.Route
);
CREATE TABLE IF NOT EXISTS rollouts (
  rollout_id text PRIMARY KEY,
  endpoint text NOT NULL,
  state text NOT NULL,
  record bytea NOT NULL, -- millrace.registry.v1.Rollout
  started_at timestamptz NOT NULL DEFAULT clock_timestamp() -- not now(): a transaction may begin before one that it waits for
);
CREATE INDEX IF NOT EXISTS rollouts_newest ON rollouts (endpoint, started_at DESC);
-- An endpoint has one at most that is under way.
CREATE UNIQUE INDEX IF NOT EXISTS rollouts_under_way ON rollouts (endpoint)
  WHERE state NOT IN ('live', 'aborted', 'superseded');
-- What has to be published: written in the transaction of the change, removed once Kafka has it.
CREATE TABLE IF NOT EXISTS outbox (
  id bigserial PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  topic text NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL
);
