-- The changes, newest first; with firing: only the newest change of each alert, where it is one that fires.
SELECT alert_base64, told
FROM monitoring.alerts FINAL
WHERE ({endpoint: String} = '' OR endpoint = {endpoint: String})
  AND ({firing: Bool} = 0 OR (state = 'firing' AND (fingerprint, starts_at) NOT IN (
    SELECT fingerprint, starts_at FROM monitoring.alerts WHERE state = 'resolved')))
ORDER BY changed_at DESC, fingerprint
LIMIT {limit: UInt64}
