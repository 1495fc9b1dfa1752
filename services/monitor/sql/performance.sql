-- Scores of a time, with what else performance is told by; the segment is a column of the request as it was asked.
SELECT score, label, concat(model, '@', model_version) AS version, fallback, toUnixTimestamp64Milli(as_of) AS atMs,
       multiIf({segment: String} = '', '',
               JSONType(request, {segment: String}) = 'String', JSONExtractString(request, {segment: String}),
               JSONExtractRaw(request, {segment: String})) AS part
FROM monitoring.predictions_labelled
WHERE endpoint = {endpoint: String} AND ({version: String} = '' OR model_version = {version: String})
  AND as_of >= fromUnixTimestamp64Milli({from: Int64}) AND as_of < fromUnixTimestamp64Milli({to: Int64})
LIMIT {limit: UInt64}
