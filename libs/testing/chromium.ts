import chromium from '@sparticuz/chromium';
import { type Browser, type BrowserContextOptions, chromium as playwright, type Page } from 'playwright-core';

/** Not with the package's own arguments: in one process contexts share their cookies, and without web security no policy is tested. */
const browserArguments = ['--no-sandbox', '--disable-setuid-sandbox', '--font-render-hinting=none'];

/** A real Chromium, headless, without any download: it comes with a package. */
export async function launchBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    headless: true,
    args: browserArguments,
  });
}

/** A page with cookies and storage of its own, that notes every error of its console, exception and violation of the content policy. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  // The locale of a machine without one is a name that no formatter of numbers takes.
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A refused call is said on the page; the browser notes each as well.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  return { page, complaints };
}
