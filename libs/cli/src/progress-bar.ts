import { formatBytes } from './format-bytes';
import type { Terminal } from './terminal';

/** Nothing is drawn before this, so that short tasks stay quiet. */
const QUIET_MS = 300;
const REDRAW_MS = 100;
/** Where lines cannot be drawn over, one is written this often. */
const LINE_MS = 5_000;
const BAR_CHARACTERS = 24;

/**
 * How far a task is: a bar that is drawn over on a terminal, and a plain line every few seconds elsewhere. Tasks under
 * 0.3 s (5 s without a terminal) show nothing.
 */
export class ProgressBar {
  private readonly startedMs: number;
  private drawnMs: number;
  private isDrawn = false;

  constructor(
    private readonly label: string,
    private readonly terminal: Terminal,
    private readonly nowMs: () => number,
  ) {
    this.startedMs = nowMs();
    this.drawnMs = this.startedMs;
  }

  /** Of a task whose size is known, in bytes. */
  update(doneBytes: number, totalBytes: number): void {
    const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
    const filled = Math.round(share * BAR_CHARACTERS);
    const seconds = Math.max(0.001, (this.nowMs() - this.startedMs) / 1000);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CHARACTERS - filled)}`;
    const figures = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}, ${formatBytes(doneBytes / seconds)}/s`;
    this.draw(
      `${bar} ${String(Math.floor(share * 100)).padStart(3)}%  ${figures}`,
      `${Math.floor(share * 100)}%, ${figures}`,
    );
  }

  /** Of a task that cannot say how far it is: only for how long it has been running. */
  say(): void {
    const elapsed = `${Math.floor((this.nowMs() - this.startedMs) / 1000)} s`;
    this.draw(elapsed, elapsed);
  }

  /** Wipes the bar, so that what is written next stands on a clean line. */
  done(): void {
    if (this.isDrawn) this.terminal.err(CLEAR_LINE);
    this.isDrawn = false;
  }

  private draw(bar: string, line: string): void {
    const nowMs = this.nowMs();
    const { isInteractive, columns } = this.terminal;
    if (isInteractive) {
      if (nowMs - this.startedMs < QUIET_MS || (this.isDrawn && nowMs - this.drawnMs < REDRAW_MS)) return;
      this.terminal.err(`${CLEAR_LINE}${`${this.label}  ${bar}`.slice(0, Math.max(20, columns - 1))}`);
      this.isDrawn = true;
    } else {
      if (nowMs - this.drawnMs < LINE_MS) return;
      this.terminal.err(`${this.label}: ${line}\n`);
    }
    this.drawnMs = nowMs;
  }
}

const CLEAR_LINE = '\r\x1b[2K';
