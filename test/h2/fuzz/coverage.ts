import { Flag, FrameType } from '@bms/h2/testkit';
import type { WireFrame } from './wire-frame';

/** What a frame meets: the state that its stream is in, by what the same end has sent before (RFC 9113 §5.1). */
const STATES = ['connection', 'idle', 'open', 'ended', 'reset', 'in a block', 'after GOAWAY'] as const;
type State = (typeof STATES)[number];

const NAMES = [...Object.keys(FrameType), 'unknown'];

/** Counts frames by what they are and what they meet. */
export class Coverage {
  private readonly counts = new Map<string, number>();
  frames = 0;

  add(session: readonly WireFrame[]): void {
    const streams = new Map<number, State>();
    let inBlock = false;
    let gone = false;
    for (const { type, flags, streamId } of session) {
      const known = streams.get(streamId) ?? 'idle';
      const state = inBlock ? 'in a block' : gone ? 'after GOAWAY' : streamId === 0 ? 'connection' : known;
      this.frames += 1;
      const key = `${state}/${Object.entries(FrameType).find(([, value]) => value === type)?.[0] ?? 'unknown'}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      if (type === FrameType.HEADERS || type === FrameType.CONTINUATION) inBlock = (flags & Flag.END_HEADERS) === 0;
      if (type === FrameType.GOAWAY) gone = true;
      if (type === FrameType.HEADERS && known === 'idle') streams.set(streamId, 'open');
      const ends = (type === FrameType.HEADERS || type === FrameType.DATA) && (flags & Flag.END_STREAM) !== 0;
      if (ends && streams.get(streamId) === 'open') streams.set(streamId, 'ended');
      if (type === FrameType.RST_STREAM && known !== 'idle') streams.set(streamId, 'reset');
    }
  }

  /** A table of states and frame types. */
  toString(): string {
    const cell = (text: string | number): string => String(text).padStart(8);
    const rows = NAMES.map(
      (name) =>
        `${name.padEnd(14)}${STATES.map((state) => cell(this.counts.get(`${state}/${name}`) ?? 0).padStart(14)).join('')}`,
    );
    return [`${''.padEnd(14)}${STATES.map((state) => state.padStart(14)).join('')}`, ...rows].join('\n');
  }

  /** Pairs that were never met. */
  get missing(): string[] {
    return STATES.flatMap((state) => NAMES.map((name) => `${state}/${name}`)).filter((key) => !this.counts.has(key));
  }
}
