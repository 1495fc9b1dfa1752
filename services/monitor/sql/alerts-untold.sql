SELECT alert_base64, told
FROM monitoring.alerts FINAL
WHERE told = 0
ORDER BY changed_at
LIMIT 10000
