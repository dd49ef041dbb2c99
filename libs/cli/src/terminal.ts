/** Where the command line writes: results to stdout, everything else (progress, warnings, errors) to stderr. */
export interface Terminal {
  /** Writes to stdout as it is. */
  out(text: string): void;
  /** Writes to stderr as it is. */
  err(text: string): void;
  /** Whether a person looks at stderr, so that lines may be drawn over. */
  readonly isInteractive: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
}

export function processTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isInteractive: process.stderr.isTTY,
    columns: process.stderr.columns || 100,
  };
}
