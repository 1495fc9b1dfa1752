ALTER TABLE monitoring.${table} REMOVE TTL
