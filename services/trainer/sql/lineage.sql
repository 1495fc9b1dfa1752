-- OpenLineage events of runs, written with the state that they tell of, in one transaction; published later, and as they were written.
CREATE TABLE IF NOT EXISTS lineage_events (
  seq bigserial PRIMARY KEY,
  run_id text NOT NULL,
  transition text NOT NULL, -- start | end
  job text NOT NULL, -- namespace/name
  event text NOT NULL, -- JSON
  published boolean NOT NULL DEFAULT false,
  UNIQUE (run_id, transition)
);
CREATE INDEX IF NOT EXISTS lineage_events_waiting ON lineage_events (seq) WHERE NOT published;
