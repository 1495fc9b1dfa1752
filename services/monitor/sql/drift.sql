-- Rows a bin of the reference's edges, for each feature of the logged vector and the score (position 0); bin -1 = null. The ASOF JOIN finds the bin by
-- binary search: the largest edge that is not above the value.
WITH logged AS (
  SELECT arrayPushFront(features, score) AS vector
  FROM monitoring.predictions
  WHERE endpoint = {endpoint: String} AND model_version = {version: String} AND NOT fallback
    AND as_of >= fromUnixTimestamp64Milli({from: Int64}) AND as_of < fromUnixTimestamp64Milli({to: Int64})
),
bounds AS (
  SELECT position, toFloat32(edge) AS edge, bin
  FROM (SELECT position, edges FROM monitoring.references FINAL WHERE model = {model: String} AND version = {version: String})
  ARRAY JOIN arrayPushFront(edges, -inf) AS edge, arrayMap(i -> toInt32(i - 1), arrayEnumerate(arrayPushFront(edges, -inf))) AS bin
)
SELECT position, bin, count() AS rows
FROM (
  SELECT toUInt16(place - 1) AS position, value
  FROM logged ARRAY JOIN vector AS value, arrayEnumerate(vector) AS place
  WHERE NOT isNaN(value)
) AS v
ASOF JOIN bounds AS b ON v.position = b.position AND v.value >= b.edge
GROUP BY position, bin
UNION ALL
SELECT toUInt16(place - 1) AS position, toInt32(-1) AS bin, countIf(isNaN(value)) AS rows
FROM logged ARRAY JOIN vector AS value, arrayEnumerate(vector) AS place
GROUP BY position
HAVING rows > 0
