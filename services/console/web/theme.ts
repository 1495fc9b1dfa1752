export type Theme = 'light' | 'dark';

/** As chosen here before, else as the system says. */
export function theme(): Theme {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme();
}

export function toggleTheme(): void {
  localStorage.setItem('theme', theme() === 'dark' ? 'light' : 'dark');
  applyTheme();
  // Charts read their colours from the style, and draw again.
  dispatchEvent(new Event('themechange'));
}
