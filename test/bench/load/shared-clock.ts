/** Milliseconds of a clock that is the same in all threads of a process, where `performance.now` begins with each. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
