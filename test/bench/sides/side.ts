/** What is measured: an address, and the processes whose work stands behind it. */
export interface Side {
  /** As tables call it. */
  readonly name: string;
  /** `host:port` */
  readonly address: string;
  /** By role; `front` is the one that callers reach. */
  readonly pids: Readonly<Record<string, number>>;
}
