/** The characters that pictures and bars are drawn with. */
export interface CharacterSet {
  /** From blank to full. */
  readonly shades: readonly string[];
  /** Corners and edges of a frame. */
  readonly frame: {
    readonly top: readonly [left: string, right: string];
    readonly bottom: readonly [left: string, right: string];
    readonly across: string;
    readonly down: string;
  };
  /** What a bar is filled with, whole cells. */
  readonly fill: string;
  /** What stands for a bar's last, partly filled cell, from less to more; none: whole cells only. */
  readonly partialFills: readonly string[];
}

export const UNICODE: CharacterSet = {
  shades: [' ', '░', '▒', '▓', '█'],
  frame: { top: ['┌', '┐'], bottom: ['└', '┘'], across: '─', down: '│' },
  fill: '█',
  partialFills: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
};

export const ASCII: CharacterSet = {
  shades: [' ', '.', '-', ':', '=', '+', '*', '#', '@'],
  frame: { top: ['+', '+'], bottom: ['+', '+'], across: '-', down: '|' },
  fill: '#',
  partialFills: [],
};

/** UNICODE where the locale says UTF-8, as POSIX reads it, and in terminals of Windows, which has no such variables; else ASCII. */
export function characterSetFor(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): CharacterSet {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  if (locale === undefined) return platform === 'win32' ? UNICODE : ASCII;
  return /utf-?8/i.test(locale) ? UNICODE : ASCII;
}

/** A bar of up to `cells` characters for a share from 0 to 1; not padded. */
export function bar(share: number, cells: number, { fill, partialFills }: CharacterSet): string {
  const steps = partialFills.length + 1;
  const filled = Math.round(Math.min(1, Math.max(0, share)) * cells * steps);
  return fill.repeat(Math.floor(filled / steps)) + (partialFills[(filled % steps) - 1] ?? '');
}
