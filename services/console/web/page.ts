import type { VNode } from 'preact';
import type { Route } from './route.js';

export interface Page {
  /** Of the address, `/mesh`. */
  readonly path: string;
  readonly title: string;
  /** Its name in the navigation; absent = not there. */
  readonly nav?: string;
  readonly render: (route: Route) => VNode;
}
