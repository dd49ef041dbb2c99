import type { BenchmarkResult, Figure, Table } from './benchmark';

/** For a terminal: columns of equal width. */
export function asText(result: BenchmarkResult): string {
  return tablesOf(result).map(tableText).join('\n\n');
}

/** For documents. */
export function asMarkdown(result: BenchmarkResult): string {
  return tablesOf(result).map(tableMarkdown).join('\n\n');
}

/** With the figures, where there are any, as the last one. */
function tablesOf({ tables, figures }: BenchmarkResult): readonly Table[] {
  if (figures.length === 0) return tables;
  const rows = figures.map((figure) => [figure.what, figure.measured, figure.wanted, verdictOf(figure)]);
  return [...tables, { title: 'figures', columns: ['what', 'measured', 'wanted', ''], rows }];
}

function verdictOf({ met }: Figure): string {
  if (met === undefined) return '';
  return met ? 'met' : 'MISSED';
}

function tableText({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) => row.map(String));
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [title, ...lines].join('\n');
}

function tableMarkdown({ title, columns, rows }: Table): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [`**${title}**`, '', line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}
