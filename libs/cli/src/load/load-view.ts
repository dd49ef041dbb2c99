import type { CharacterSet } from '../character-set';
import type { Terminal } from '../terminal';
import { secondJson, summaryJson } from './load-json';
import type { LoadResult, SecondReport } from './load-run';
import { liveBlock, secondLine, summaryText, type LoadTitle } from './load-text';

/** Shows a load while it runs and what it came to. */
export interface LoadView {
  start(description: string): void;
  second(report: SecondReport): void;
  end(result: LoadResult, trustedVersions: readonly number[]): void;
}

/** JSON lines where asked for, a block that is drawn over itself where a person looks, else a line a second. */
export function loadViewFor(
  terminal: Terminal,
  options: { readonly json: boolean; readonly title: LoadTitle; readonly characters: CharacterSet },
): LoadView {
  if (options.json) return jsonView(terminal);
  return terminal.isInteractive ? new BlockView(terminal, options.title, options.characters) : lineView(terminal);
}

function jsonView(terminal: Terminal): LoadView {
  return {
    start: () => undefined,
    second: (report) => terminal.out(`${secondJson(report)}\n`),
    end: (result, trustedVersions) => terminal.out(`${summaryJson(result, trustedVersions)}\n`),
  };
}

function lineView(terminal: Terminal): LoadView {
  return {
    start: (description) => terminal.out(`Sending ${description}\n`),
    second: (report) => terminal.out(`${secondLine(report)}\n`),
    end: (result, trustedVersions) => terminal.out(`${summaryText(result, trustedVersions)}\n`),
  };
}

const CLEAR_TO_END = '\x1b[J';

/** The block is on stderr, so that stdout has the summary alone. */
class BlockView implements LoadView {
  private drawnLines = 0;

  constructor(
    private readonly terminal: Terminal,
    private readonly title: LoadTitle,
    private readonly characters: CharacterSet,
  ) {}

  start(description: string): void {
    this.terminal.err(`Sending ${description}\n`);
  }

  second(report: SecondReport): void {
    // A line that wraps would make the block higher than it is counted.
    const width = Math.max(20, this.terminal.columns - 1);
    const lines = liveBlock(report, this.title, this.characters).map((line) => [...line].slice(0, width).join(''));
    this.terminal.err(`${this.backToTop()}${CLEAR_TO_END}${lines.join('\n')}\n`);
    this.drawnLines = lines.length;
  }

  end(result: LoadResult, trustedVersions: readonly number[]): void {
    this.terminal.out(`${summaryText(result, trustedVersions)}\n`);
  }

  private backToTop(): string {
    return this.drawnLines === 0 ? '' : `\x1b[${this.drawnLines}A\r`;
  }
}
