import { WaitingLine } from './waiting-line';

describe('WaitingLine', () => {
  it('says what is waited for once it lasts, and each sentence once', () => {
    const lines: string[] = [];
    let nowMs = 0;
    const waiting = new WaitingLine(
      (line) => lines.push(line),
      () => nowMs,
    );
    waiting.show('the router has not asked yet');
    expect(lines).toEqual([]);
    nowMs = 3_000;
    waiting.show('the router has not asked yet');
    waiting.show('the router has not asked yet');
    waiting.show('1 of 2 workers have not attached');
    expect(lines).toEqual(['waiting: the router has not asked yet …', 'waiting: 1 of 2 workers have not attached …']);
  });
});
