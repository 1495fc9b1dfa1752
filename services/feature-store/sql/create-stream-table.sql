CREATE TABLE IF NOT EXISTS ${table} (
  ${columns},
  _event_id String,
  _event_time Int64 COMMENT 'epoch milliseconds',
  _source_partition UInt16 COMMENT 'identity of the event: partition and offset of its raw record',
  _source_offset Int64,
  _late Bool COMMENT 'later than the watermark by more than the lateness of the stream'
)
ENGINE = ReplacingMergeTree
ORDER BY (_event_time, _source_partition, _source_offset)
SETTINGS non_replicated_deduplication_window = 10000
