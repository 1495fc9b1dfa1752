import { describe, expect, it } from '@jest/globals';
import { decodeParameter, insertFromFile, namedFormat, takeInsertApart } from './statement.js';

describe('an INSERT statement', () => {
  it('is taken apart where its rows follow', () => {
    const sql = 'INSERT INTO a.b (x, `format`) SETTINGS async_insert=0, note=\'format x\' FORMAT JSONEachRow\n{"x":1}';
    const insert = takeInsertApart(sql)!;
    expect(insert).toMatchObject({
      target: 'INSERT INTO a.b (x, `format`)',
      settings: "SETTINGS async_insert=0, note='format x'",
      format: 'JSONEachRow',
    });
    expect(sql.slice(insert.dataFrom)).toBe('{"x":1}');
    expect(insertFromFile(insert, '/tmp/f')).toBe(
      "INSERT INTO a.b (x, `format`) FROM INFILE '/tmp/f' COMPRESSION 'none' SETTINGS async_insert=0, note='format x' FORMAT JSONEachRow",
    );
  });

  it('with VALUES keeps its rows out of the statement too', () => {
    const sql = "insert into t values (1, 'a)\n\nDROP TABLE t')";
    expect(sql.slice(takeInsertApart(sql)!.dataFrom)).toBe("(1, 'a)\n\nDROP TABLE t')");
  });

  it.each([
    'INSERT INTO t SELECT 1 FORMAT JSON',
    'SELECT 1 FORMAT JSON',
    'insert into t with 1 as x select x',
    'CREATE TABLE t (format String)',
  ])('%s has no rows beside it', (sql) => {
    expect(takeInsertApart(sql)).toBeUndefined();
  });
});

it('names the format of a query', () => {
  expect(namedFormat('SELECT 1\nFORMAT JSONEachRow')).toBe('JSONEachRow');
  expect(namedFormat("SELECT 'format x'")).toBeUndefined();
});

it('decodes parameters', () => {
  expect(decodeParameter('\\N')).toBeNull();
  expect(decodeParameter("it\\'s\\ta\\\\b")).toBe("it's\ta\\b");
});
