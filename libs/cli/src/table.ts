/** A column of a table: its title, and how a row fills it. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string | number | bigint;
  /** Numbers stand at the right; texts, the default, at the left. */
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/** Rows under aligned columns, a line each. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => printable(String(cell(row))))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => width(line[at] ?? ''))));
  return lines
    .map((line) =>
      line
        .map((text, at) => {
          const fill = ' '.repeat((widths[at] ?? 0) - width(text));
          return columns[at]?.align === 'right' ? fill + text : text + fill;
        })
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** Text of others without what a terminal would obey: control characters become visible. */
export function printable(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, '\uFFFD');
}

/** A heading with lines under it; "" where there are none. */
export function section(title: string, text: string): string {
  return text === '' ? '' : `\n${title}\n${indent(text, 2)}`;
}

/** Each line with `spaces` in front. */
export function indent(text: string, spaces: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(spaces));
}

function width(text: string): number {
  return [...text].length;
}
