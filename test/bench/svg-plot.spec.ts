import { svgOf } from './svg-plot';

describe('svgOf', () => {
  const plot = { title: 'a < b', xLabel: 'in flight', yLabel: 'requests/s', places: ['1', '8'] };

  it('draws each line through its values, leaves out what was not measured, and escapes texts', () => {
    const lines = [
      { name: 'one', values: [10, 100] },
      { name: 'other', values: [NaN, 50] },
    ];
    const svg = svgOf([{ ...plot, logarithmic: false, lines }]);
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(3);
    expect(svg).toContain('a &lt; b');
    expect(svg).not.toContain('NaN');
  });

  it.each([true, false])('draws what there is when nothing or 0 was measured (logarithmic: %s)', (logarithmic) => {
    const lines = [
      { name: 'none', values: [NaN, NaN] },
      { name: 'zero', values: [0, 10] },
    ];
    expect(svgOf([{ ...plot, logarithmic, lines }])).not.toMatch(/NaN|Infinity/);
    expect(svgOf([{ ...plot, logarithmic, lines: lines.slice(0, 1) }])).not.toMatch(/NaN|Infinity/);
  });

  it('puts powers of ten at equal distances on a logarithmic axis', () => {
    const svg = svgOf([{ ...plot, logarithmic: true, lines: [{ name: 'one', values: [10, 1_000] }] }]);
    const heights = [...svg.matchAll(/<line [^>]*y1="([0-9.]+)"/g)].map(([, y]) => Number(y));
    expect(heights).toHaveLength(3);
    expect(heights.map((y, at) => y - (heights[at + 1] ?? NaN)).slice(0, 2)).toEqual([135, 135]);
  });
});
