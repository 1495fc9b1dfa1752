/** Who is signed in. */
export interface SessionView {
  readonly name: string;
  readonly roles: readonly string[];
}
