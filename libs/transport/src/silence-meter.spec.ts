import { SilenceMeter, type Look, type SilenceVerdict } from './silence-meter';

const LIMITS = { askAfterMs: 400, askIdleAfterMs: 2_000, answerWithinMs: 1_000 };
const QUIET: Look = { elapsedMs: 100, heard: false, said: false, inUse: true };

/** When, in milliseconds, each verdict other than `fine` came. */
function verdicts(meter: SilenceMeter, looks: number, lookAt: (ms: number) => Look): [number, SilenceVerdict][] {
  const told: [number, SilenceVerdict][] = [];
  for (let ms = 100; ms <= looks * 100; ms += 100) {
    const verdict = meter.look(lookAt(ms));
    if (verdict !== 'fine') told.push([ms, verdict]);
    if (verdict === 'silent') break;
  }
  return told;
}

describe('SilenceMeter', () => {
  it('asks a quiet peer that has calls again and again, and takes it for silent a second after the first question', () => {
    expect(verdicts(new SilenceMeter(LIMITS), 50, () => QUIET)).toEqual([
      [400, 'ask'],
      [800, 'ask'],
      [1_200, 'ask'],
      [1_400, 'silent'],
    ]);
  });

  it('finds a peer silent as soon when calls keep being sent to it', () => {
    const told = verdicts(new SilenceMeter(LIMITS), 50, () => ({ ...QUIET, said: true }));
    expect(told).toEqual([
      [400, 'ask'],
      [1_400, 'silent'],
    ]);
  });

  it('takes any byte for a sign of life, however late', () => {
    const meter = new SilenceMeter(LIMITS);
    const told = verdicts(meter, 100, (ms) => ({ ...QUIET, heard: ms % 1_300 === 0 }));
    expect(told.map(([, verdict]) => verdict)).not.toContain('silent');
  });

  it('lets the peer hear something while only the peer sends', () => {
    const told = verdicts(new SilenceMeter(LIMITS), 12, () => ({ ...QUIET, heard: true }));
    expect(told).toEqual([
      [400, 'ask'],
      [800, 'ask'],
      [1_200, 'ask'],
    ]);
  });

  it('asks an idle peer seldom', () => {
    expect(verdicts(new SilenceMeter(LIMITS), 50, () => ({ ...QUIET, inUse: false }))).toEqual([
      [2_000, 'ask'],
      [3_000, 'silent'],
    ]);
  });

  it('asks at once when a call is sent to a peer that has been quiet while idle', () => {
    const told = verdicts(new SilenceMeter(LIMITS), 50, (ms) => ({ ...QUIET, inUse: ms > 1_500, said: ms === 1_600 }));
    expect(told[0]).toEqual([1_600, 'ask']);
    expect(told.at(-1)).toEqual([2_600, 'silent']);
  });
});
