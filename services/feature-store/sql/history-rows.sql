SELECT *
EXCEPT (_event_id, _late)
FROM ${table} FINAL
WHERE _event_time >= {from: Int64} AND _event_time < {to: Int64}
ORDER BY _event_time, _source_partition, _source_offset
