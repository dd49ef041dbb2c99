/** A name that a caller sent, fit for a message: in quotes, and cut. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
