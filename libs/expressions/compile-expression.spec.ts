import { describe, expect, it, jest } from '@jest/globals';
import { compileExpression, ExpressionError, type ColumnType } from './compile-expression.js';

const scope: Record<string, ColumnType> = {
  delay: 'int32',
  distance: 'float64',
  origin: 'string',
  at: 'timestamp',
  ok: 'bool',
};
const row = { delay: 37, distance: 1.5, origin: 'DEN', at: Date.UTC(2001, 5, 10), ok: true };

describe('an expression over columns', () => {
  it.each([
    ['delay / 15', 'int64', 2],
    ['delay % 15', 'int64', 7],
    ['-delay / 15', 'int64', -2],
    ['delay >= 15 ? 1 : 0', 'int64', 1],
    ['clamp(delay, -60, 30)', 'int64', 30],
    ['clamp(distance, 2.0, 3.0)', 'float64', 2],
    ['distance * 2.0', 'float64', 3],
    ["origin == 'DEN' && ok", 'bool', true],
    ["origin + '!'", 'string', 'DEN!'],
    ['at.getDayOfWeek()', 'int64', 0],
    ['at', 'timestamp', row.at],
  ])('%s is %s %s', (source, type, value) => {
    const compiled = compileExpression(source, scope);
    expect(compiled.type).toBe(type);
    expect(compiled.evaluate(row)).toBe(value);
  });

  it('is null where a column that it reads is null', () => {
    expect(compileExpression('delay + 1', scope).evaluate({ ...row, delay: null })).toBeNull();
    expect(compileExpression('1', scope).evaluate({})).toBe(1);
  });

  it('knows which columns it reads', () => {
    expect(compileExpression("origin == 'X' ? delay : delay + 1", scope).reads).toEqual(['origin', 'delay']);
  });

  it('has no value for a division by zero or an overflow', () => {
    expect(() => compileExpression('delay / (delay - 37)', scope).evaluate(row)).toThrow();
    expect(() => compileExpression('delay * 9007199254740991', scope).evaluate(row)).toThrow();
  });
});

describe('columns whose names CEL keeps for itself', () => {
  const reserved: Record<string, ColumnType> = { type: 'string', int: 'int32', google: 'string', delay: 'int32' };

  it('do no harm where no expression reads them', () => {
    expect(compileExpression('delay + int(2.0)', reserved).evaluate({ delay: 1, int: 5, type: 'x' })).toBe(3);
  });

  it.each([
    ["type == 'late'", 0],
    ['delay + int', 8],
  ])('%s cannot mean them', (source, offset) => {
    expect(() => compileExpression(source, reserved)).toThrow(
      expect.objectContaining({ code: 'unknown-column', offset, message: expect.stringMatching(/rename the column/) }),
    );
  });
});

it('reads calendars in UTC, whatever the time zone of the process', () => {
  const local = (['getHours', 'getDay', 'getDate', 'getFullYear'] as const).map((method) =>
    jest.spyOn(Date.prototype, method).mockReturnValue(99),
  );
  const parts = 'at.getFullYear() * 1000000 + at.getDate() * 10000 + at.getHours() * 100 + at.getDayOfWeek()';
  const value = compileExpression(parts, scope).evaluate({ at: Date.UTC(2001, 0, 1, 3) });
  for (const spy of local) spy.mockRestore();
  expect(value).toBe(2001010301);
});

describe('a wrong expression names its fault and its place', () => {
  it.each([
    ['dealy >= 15', 'unknown-column', 0, /reads `dealy`; there is delay, distance/],
    ['1 + dealy', 'unknown-column', 4, /dealy/],
    ['delay + origin', 'type-mismatch', 0, /no such overload/],
    ['1 + at.getDayOfYear()', 'not-built', 4, /parts of a date are in UTC/],
    ["at.getHours('Europe/Berlin')", 'not-built', 0, /in a time zone/],
    ['delay +', 'syntax', undefined, /delay \+/],
    ['[1, 2]', 'type-mismatch', 0, /gives list/],
  ])('%s', (source, code, offset, message) => {
    let error: unknown;
    try {
      compileExpression(source, scope);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ExpressionError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    if (offset !== undefined) expect((error as ExpressionError).offset).toBe(offset);
  });
});
