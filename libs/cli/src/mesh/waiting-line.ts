/** Something that is waited for is told once it has lasted this long. */
const TELL_AFTER_MS = 3_000;

/** Tells people what a start waits for: not at once, and each sentence once. */
export class WaitingLine {
  private readonly startedMs: number;
  private readonly told = new Set<string>();

  constructor(
    private readonly say: (line: string) => void,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.startedMs = nowMs();
  }

  show(missing: string): void {
    if (this.nowMs() - this.startedMs < TELL_AFTER_MS || this.told.has(missing)) return;
    this.told.add(missing);
    this.say(`waiting: ${missing} …`);
  }
}
