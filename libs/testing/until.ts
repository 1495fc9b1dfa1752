const limitMs = 30_000;

/** Waits until something has happened. @param what it is, for the error @throws Error when it does not hold within 30 s */
export async function until(holds: () => boolean | Promise<boolean>, what = 'what this test waits for'): Promise<void> {
  for (const untilMs = Date.now() + limitMs; !(await holds()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > untilMs) throw new Error(`${what}: not within 30 s`);
}
