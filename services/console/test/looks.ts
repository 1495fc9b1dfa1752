import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';

/** Every page is looked at like this: colour scheme, width and height. */
export const looks = [
  ['light', 1280, 800],
  ['dark', 1280, 800],
  ['light', 390, 844],
  ['dark', 390, 844],
] as const;

export function lookOf(colorScheme: 'light' | 'dark', width: number, height: number) {
  return { colorScheme, viewport: { width, height } };
}

/** The page itself never scrolls sideways, has no element of an id twice, and its buttons, links and fields have names. */
export async function expectSound(page: Page, complaints: readonly string[]): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')).toBe(
    false,
  );
  const ids = (await page.evaluate('[...document.querySelectorAll("[id]")].map(({id}) => id)')) as string[];
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  expect(await page.evaluate(nameless)).toEqual([]);
  expect(complaints).toEqual([]);
}

const nameless = `[...document.querySelectorAll('button, a[href], input, select, textarea')]
  .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.[0]?.textContent.trim()))
  .map((one) => one.outerHTML.slice(0, 200))`;

/** Presses Tab until something with this text is focused; at most `most` times. */
export async function tabTo(page: Page, text: string, most = 80): Promise<void> {
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press('Tab');
    if (((await page.evaluate('document.activeElement?.textContent ?? ""')) as string).trim() === text) return;
  }
  throw new Error(`"${text}" is not reached by ${most} tabs`);
}
