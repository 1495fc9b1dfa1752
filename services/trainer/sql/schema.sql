CREATE TABLE IF NOT EXISTS runs (
  run_id text PRIMARY KEY,
  pipeline text NOT NULL,
  model text NOT NULL,
  state text NOT NULL, -- pending | running | succeeded | failed | refused | cancelled
  reason text NOT NULL,
  plan text NOT NULL, -- JSON: the definitions and the window as they were when the run was started
  error text NOT NULL DEFAULT '',
  model_version text NOT NULL DEFAULT '',
  idempotency_key text UNIQUE,
  created_ms bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS steps (
  run_id text NOT NULL REFERENCES runs,
  position integer NOT NULL,
  name text NOT NULL,
  state text NOT NULL, -- pending | running | succeeded | failed | cancelled
  attempt integer NOT NULL DEFAULT 0,
  started_ms bigint NOT NULL DEFAULT 0,
  finished_ms bigint NOT NULL DEFAULT 0,
  message text NOT NULL DEFAULT '',
  outputs text NOT NULL DEFAULT '{}', -- JSON: what later steps need
  PRIMARY KEY (run_id, position)
);
CREATE TABLE IF NOT EXISTS triggers (
  trigger_key text PRIMARY KEY, -- <pipeline>/<occasion>, from the second attempt on with /<attempt>
  pipeline text NOT NULL,
  reason text NOT NULL, -- performance | drift | schedule | new-data
  summary text NOT NULL,
  decision text NOT NULL, -- started | not-asked | under-way | cool-down | budget
  because text NOT NULL, -- of a refusal
  run_id text NOT NULL, -- '' = none was started
  decided_ms bigint NOT NULL -- wall clock
);
CREATE INDEX IF NOT EXISTS triggers_of_pipeline ON triggers (pipeline, decided_ms);
ALTER TABLE triggers ADD COLUMN IF NOT EXISTS occasion text NOT NULL DEFAULT ''; -- what happened
ALTER TABLE triggers ADD COLUMN IF NOT EXISTS attempt integer NOT NULL DEFAULT 1; -- an alert that goes on is decided again
UPDATE triggers SET occasion = substr(trigger_key, length(pipeline) + 2) WHERE occasion = ''; -- decided before these columns were kept
CREATE INDEX IF NOT EXISTS triggers_of_occasion ON triggers (pipeline, occasion, attempt);
CREATE TABLE IF NOT EXISTS alerts ( -- that ask for another training; of a fingerprint the newest
  fingerprint text PRIMARY KEY,
  starts_ms bigint NOT NULL, -- wall clock
  model text NOT NULL,
  reason text NOT NULL, -- performance | concept | drift
  summary text NOT NULL,
  is_over boolean NOT NULL DEFAULT false -- stays, so that a beginning that is told late does not make it fire again
);
