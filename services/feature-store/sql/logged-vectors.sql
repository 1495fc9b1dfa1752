SELECT prediction_id, join_key, feature_service, feature_service_digest, toUnixTimestamp64Milli(as_of) AS as_of_ms, request,
       arrayMap(value -> reinterpretAsUInt32(value), features) AS feature_bits, position_streams, position_offsets
FROM monitoring.predictions
WHERE endpoint = {endpoint: String} AND NOT features_given AND NOT fallback AND notEmpty(features)
  AND as_of >= fromUnixTimestamp64Milli({from: Int64}) AND as_of < fromUnixTimestamp64Milli({to: Int64})
ORDER BY as_of
