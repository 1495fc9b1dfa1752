SELECT stream, source_partition, source_offset, event_id, event_source, toUnixTimestamp64Milli(quarantined_at) AS quarantined_at_ms,
       reasons.code AS codes, reasons.column AS columns, reasons.message AS messages, key, data_base64, count() OVER () AS total
FROM validation.quarantined FINAL
WHERE ({stream: String} = '' OR stream = {stream: String})
  AND ({code: String} = '' OR has(reasons.code, {code: String}))
  AND (empty({ids: Array(String)}) OR has({ids: Array(String)}, event_id))
ORDER BY quarantined_at DESC, stream, source_partition, source_offset
LIMIT {limit: UInt32}
