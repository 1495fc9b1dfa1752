/** An INSERT whose rows travel beside the statement. */
export interface DataInsert {
  /** `INSERT INTO t (columns)`, without settings. */
  readonly target: string;
  /** `SETTINGS …` or empty. */
  readonly settings: string;
  readonly format: string;
  /** Where the rows begin, in characters after the start of the statement. */
  readonly dataFrom: number;
}

const insertInto = /^\s*insert\s+into\b/i;
const token =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|--[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_][A-Za-z0-9_]*|[()]/g;

/**
 * Takes an INSERT apart where its rows follow (FORMAT x or VALUES); undefined for every other statement, among them INSERT … SELECT.
 * The engine must never get such rows inside of a statement: it ends them at the first empty line and executes what comes after.
 */
export function takeInsertApart(sql: string): DataInsert | undefined {
  if (!insertInto.test(sql)) return undefined;
  let depth = 0;
  let settingsAt: number | undefined;
  token.lastIndex = 0;
  for (let match = token.exec(sql); match !== null; match = token.exec(sql)) {
    const word = match[0].toLowerCase();
    if (word === '(') depth += 1;
    else if (word === ')') depth -= 1;
    else if (depth > 0) continue;
    else if (word === 'select' || word === 'with' || word === 'infile') return undefined;
    else if (word === 'settings') settingsAt = match.index;
    else if (word === 'values') return insertOf(sql, settingsAt, match.index, 'Values', token.lastIndex);
    else if (word === 'format') {
      const name = token.exec(sql);
      if (name === null) return undefined;
      return insertOf(sql, settingsAt, match.index, name[0], token.lastIndex);
    }
  }
  return undefined;
}

function insertOf(
  sql: string,
  settingsAt: number | undefined,
  end: number,
  format: string,
  dataFrom: number,
): DataInsert {
  const target = sql.slice(0, settingsAt ?? end).trim();
  const settings = settingsAt === undefined ? '' : sql.slice(settingsAt, end).trim();
  const separator = /^[ \t]*\r?\n?/.exec(sql.slice(dataFrom, dataFrom + 64))![0].length;
  return { target, settings, format, dataFrom: dataFrom + separator };
}

/** The statement that reads the rows from a file; the path is our own and holds no quote. */
export function insertFromFile(insert: DataInsert, file: string): string {
  return `${insert.target} FROM INFILE '${file}' COMPRESSION 'none' ${insert.settings} FORMAT ${insert.format}`;
}

/** The format that a statement names at its end, if it does. */
export function namedFormat(sql: string): string | undefined {
  return /\bformat\s+([A-Za-z0-9_]+)\s*(?:settings\b[^'"`]*)?;?\s*$/i.exec(sql)?.[1];
}

/** A query parameter as it travels over HTTP: backslash escapes, `\N` = NULL. */
export function decodeParameter(raw: string): string | null {
  if (raw === '\\N') return null;
  const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '0': '\0' };
  return raw.replace(/\\(.)/gs, (_, character: string) => escapes[character] ?? character);
}
