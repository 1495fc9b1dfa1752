import { render } from 'preact';
import { signInByFragment } from './session.js';
import { Shell } from './shell.js';
import { applyTheme } from './theme.js';

applyTheme();
const root = document.getElementById('page')!;
const refused = await signInByFragment();
render(<Shell refused={refused} />, root);
