/** Ends a switch over a union: stops compiling when the union grows, throws when the data lies. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
