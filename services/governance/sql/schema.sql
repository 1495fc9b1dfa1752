-- The audit log. Nothing here is ever updated or deleted: whoever does it is found by VerifyAudit.
CREATE TABLE IF NOT EXISTS entries (
  index bigint PRIMARY KEY, -- from 0, without gaps
  event_id text NOT NULL UNIQUE,
  leaf bytea NOT NULL, -- AuditEvent as RFC 8785 JSON: what is hashed, and all that is answered
  leaf_hash bytea NOT NULL, -- SHA-256(0x00 || leaf)
  -- Copies out of the leaf, to find entries by; nothing is proved of them.
  actor text NOT NULL,
  decision text NOT NULL,
  resource text NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_decision ON entries (decision, index);
CREATE INDEX IF NOT EXISTS entries_resource ON entries (resource, index);
-- Hashes of the perfect subtrees, leaves (level 0) included: covers entries [index * 2^level, (index + 1) * 2^level).
CREATE TABLE IF NOT EXISTS subtrees (
  level integer NOT NULL,
  index bigint NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (level, index)
);
CREATE TABLE IF NOT EXISTS heads (
  size bigint PRIMARY KEY,
  root bytea NOT NULL,
  signed_at timestamptz NOT NULL,
  checkpoint text NOT NULL -- C2SP checkpoint, signed
);
-- What people are asked. The content says by whom: nothing of the rule is kept beside it.
CREATE TABLE IF NOT EXISTS approvals (
  digest text PRIMARY KEY, -- SHA-256 of content, hexadecimal
  subject text NOT NULL, -- rollouts/<id>
  content bytea NOT NULL, -- libs/definitions ApprovalContent, canonical JSON
  requested_at timestamptz NOT NULL,
  state text NOT NULL, -- waiting | approved | rejected | withdrawn
  decided_at timestamptz,
  published boolean NOT NULL DEFAULT false -- the decision is in approvals.decided.v1
);
CREATE INDEX IF NOT EXISTS approvals_subject ON approvals (subject);
CREATE INDEX IF NOT EXISTS approvals_unpublished ON approvals (decided_at) WHERE NOT published AND state IN ('approved', 'rejected');
CREATE TABLE IF NOT EXISTS votes (
  digest text NOT NULL REFERENCES approvals,
  voter text NOT NULL,
  roles text[] NOT NULL, -- that the voter had
  approve boolean NOT NULL,
  comment text NOT NULL,
  voted_at timestamptz NOT NULL,
  PRIMARY KEY (digest, voter) -- one vote a person
);
