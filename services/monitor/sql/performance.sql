SELECT score, label
FROM monitoring.predictions_labelled
WHERE endpoint = {endpoint: String} AND ({version: String} = '' OR model_version = {version: String})
  AND as_of >= fromUnixTimestamp64Milli({from: Int64}) AND as_of < fromUnixTimestamp64Milli({to: Int64})
LIMIT {limit: UInt64}
