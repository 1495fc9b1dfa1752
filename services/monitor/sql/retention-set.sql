ALTER TABLE monitoring.${table} MODIFY TTL ${ttl}
