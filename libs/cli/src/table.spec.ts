import { indent, printable, section, table } from './table';

describe('table', () => {
  it('aligns texts left and numbers right, without spaces at the end of a line', () => {
    const rows = [
      { name: 'digits', calls: 12 },
      { name: 'a', calls: 1_234 },
    ];
    const text = table(rows, [
      { title: 'MODEL', cell: ({ name }) => name },
      { title: 'CALLS', cell: ({ calls }) => calls, align: 'right' },
      { title: 'NOTES', cell: ({ name }) => (name === 'a' ? 'x' : '') },
    ]);
    expect(text.split('\n')).toEqual(['MODEL   CALLS  NOTES', 'digits     12', 'a        1234  x']);
  });

  it('shows what would command the terminal as what it is', () => {
    const rows = [{ notes: 'red \u001b[31m\u202e\nsecond\tline\u0007' }];
    const text = table(rows, [{ title: 'NOTES', cell: ({ notes }) => notes }]);
    expect(text).toBe('NOTES\nred \uFFFD[31m\uFFFD second line\uFFFD');
    expect(printable('plain é 日本')).toBe('plain é 日本');
  });

  it('puts a heading over lines, and nothing over none', () => {
    expect(section('Title', 'a\n\nb')).toBe('\nTitle\n  a\n\n  b');
    expect(section('Title', '')).toBe('');
    expect(indent('a\nb', 3)).toBe('   a\n   b');
  });
});
