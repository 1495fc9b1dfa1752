import pg from 'pg';

/**
 * A pool on a database of its own name, created where it is missing.
 * @param url postgres://user:password@host:port without a database
 */
export async function connectPostgres(url: string, database: string): Promise<pg.Pool> {
  const admin = new pg.Client({ connectionString: `${url}/postgres` });
  await admin.connect();
  try {
    const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`).catch(ignoreExisting);
  } finally {
    await admin.end();
  }
  const pool = new pg.Pool({
    connectionString: `${url}/${database}`,
    max: 8,
    statement_timeout: 30_000,
    connectionTimeoutMillis: 5_000,
  });
  // An idle connection that the server closes is replaced by the pool on the next query; without a listener it would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/** Two processes may create at once: the loser finds what it wanted. */
function ignoreExisting(error: unknown): void {
  const code = (error as { code?: string }).code;
  if (code !== '42P04' && code !== '23505') throw error;
}

/** Runs `work` in one transaction; rolls back on a throw. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
