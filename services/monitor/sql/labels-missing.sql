-- Of the predictions whose label should be there: how many there are, and how many have none.
SELECT count() AS due, countIf(label IS NULL) AS missing
FROM monitoring.predictions_labelled
WHERE endpoint = {endpoint: String} AND join_key != ''
  AND as_of >= fromUnixTimestamp64Milli({from: Int64}) AND as_of < fromUnixTimestamp64Milli({to: Int64})
