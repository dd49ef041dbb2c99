import type { Plot } from './benchmark';

const [WIDTH, HEIGHT] = [720, 360] as const;
/** Around the plot; the legend is on the right. */
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 210, 40, 50] as const;
const TICKS = 5;
/** Told apart also by people who do not see all colours alike (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999999'];

/** The plots, one below the other, as an SVG document of its own. */
export function svgOf(plots: readonly Plot[]): string {
  const height = HEIGHT * plots.length;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`;
  const panels = plots.map((plot, at) => `<g transform="translate(0 ${at * HEIGHT})">${panelOf(plot)}</g>`);
  return [head, `<rect width="${WIDTH}" height="${height}" fill="white"/>`, ...panels, '</svg>', ''].join('\n');
}

function panelOf({ title, xLabel, yLabel, logarithmic, places, lines: all }: Plot): string {
  // A logarithmic axis has no place for 0.
  const shown = (value: number): number => (logarithmic && value <= 0 ? NaN : value);
  const lines = all.map(({ name, values }) => ({ name, values: values.map(shown) }));
  const measured = lines.flatMap(({ values }) => values.filter((value) => Number.isFinite(value)));
  const scale = scaleOf(measured, logarithmic);
  const bottom = HEIGHT - BOTTOM;
  const y = (value: number): number => bottom - scale.share(value) * (bottom - TOP);
  const x = (place: number): number => LEFT + ((place + 0.5) / Math.max(1, places.length)) * (WIDTH - LEFT - RIGHT);
  const grid = scale.ticks.map(
    (tick) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>` +
      text(LEFT - 6, y(tick) + 4, tick.toLocaleString('en-US'), 'end'),
  );
  const axis = places.map((place, at) => text(x(at), bottom + 18, place, 'middle'));
  return [
    text(LEFT, 20, title, 'start', 'bold'),
    ...grid,
    ...axis,
    text((LEFT + WIDTH - RIGHT) / 2, bottom + 36, xLabel, 'middle'),
    `<g transform="translate(14 ${(TOP + bottom) / 2}) rotate(-90)">${text(0, 0, yLabel, 'middle')}</g>`,
    ...lines.map(({ name, values }, at) => lineOf(name, values, at, x, y)),
  ].join('\n');
}

function lineOf(
  name: string,
  values: readonly number[],
  at: number,
  x: (place: number) => number,
  y: (value: number) => number,
): string {
  const colour = COLOURS[at % COLOURS.length] as string;
  const points = values.flatMap((value, place) => (Number.isFinite(value) ? [[x(place), y(value)] as const] : []));
  const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
  const dots = points.map(([px, py]) => `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${colour}"/>`);
  const legendY = TOP + 8 + at * 18;
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots,
    `<rect x="${WIDTH - RIGHT + 14}" y="${legendY - 8}" width="10" height="10" fill="${colour}"/>`,
    text(WIDTH - RIGHT + 30, legendY + 1, name, 'start'),
  ].join('\n');
}

/** From 0 to a round number above all, or over whole powers of ten. */
function scaleOf(
  values: readonly number[],
  logarithmic: boolean,
): { readonly ticks: readonly number[]; share(value: number): number } {
  const largest = Math.max(0, ...values) || 1;
  if (!logarithmic) {
    const power = 10 ** Math.floor(Math.log10(largest / TICKS));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size * TICKS >= largest) ?? power;
    const top = Math.ceil(largest / step) * step;
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
    return { ticks, share: (value) => value / top };
  }
  const low = Math.floor(Math.log10(Math.min(...values, largest)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(largest)));
  const ticks = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
  return { ticks, share: (value) => (Math.log10(value) - low) / (high - low) };
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', weight = 'normal'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-weight="${weight}">${escaped}</text>`;
}
