CREATE DATABASE IF NOT EXISTS validation
;
CREATE TABLE IF NOT EXISTS validation.quarantined (
  stream LowCardinality(String),
  identity String COMMENT 'source and id of the event; where it has no id, its coordinates: sent again and refused again it is listed once',
  source_partition UInt16 COMMENT 'coordinates in the raw topic',
  source_offset Int64,
  event_id String,
  event_source String,
  quarantined_at DateTime64(3, 'UTC') COMMENT 'broker time of the raw record',
  reasons Nested(code LowCardinality(String), column String, message String),
  key String,
  data_base64 String COMMENT 'original bytes',
  data String ALIAS base64Decode(data_base64)
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, identity)
SETTINGS non_replicated_deduplication_window = 10000
;
