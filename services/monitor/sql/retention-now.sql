-- Which tables forget.
SELECT name, position(engine_full, ' TTL ') > 0 AS forgets
FROM system.tables
WHERE database = 'monitoring' AND engine LIKE '%MergeTree'
