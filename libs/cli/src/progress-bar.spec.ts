import { ProgressBar } from './progress-bar';

describe('ProgressBar', () => {
  let written = '';
  let nowMs = 0;
  beforeEach(() => {
    written = '';
    nowMs = 0;
  });
  const bar = (isInteractive: boolean, columns = 200): ProgressBar =>
    new ProgressBar(
      'uploading',
      { out: () => undefined, err: (text) => void (written += text), isInteractive, columns },
      () => nowMs,
    );

  it('stays quiet about what is over in a moment', () => {
    const progress = bar(true);
    nowMs = 299;
    progress.update(50, 100);
    progress.done();
    expect(written).toBe('');
  });

  it('draws over one line on a terminal, not more often than every 0.1 s, and wipes it at the end', () => {
    const progress = bar(true);
    nowMs = 1_000;
    progress.update(512, 1_024);
    nowMs = 1_050;
    progress.update(600, 1_024);
    progress.done();
    expect(written).toBe('\r\x1b[2Kuploading  ████████████░░░░░░░░░░░░  50%  512 B of 1.0 KiB, 512 B/s\r\x1b[2K');
  });

  it('never wraps a line', () => {
    const progress = bar(true, 30);
    nowMs = 1_000;
    progress.update(512, 1_024);
    expect([...written.replace('\r\x1b[2K', '')].length).toBeLessThan(30);
  });

  it('writes a plain line every 5 s where nobody can see a bar', () => {
    const progress = bar(false);
    for (nowMs = 0; nowMs <= 11_000; nowMs += 500) progress.update(nowMs, 20_000);
    progress.done();
    expect(written).toBe(
      'uploading: 25%, 4.9 KiB of 19.5 KiB, 1000 B/s\nuploading: 50%, 9.8 KiB of 19.5 KiB, 1000 B/s\n',
    );
  });

  it('says how long it has been waiting where there is nothing to measure', () => {
    const progress = bar(true);
    nowMs = 2_500;
    progress.say();
    expect(written).toBe('\r\x1b[2Kuploading  2 s');
  });
});
