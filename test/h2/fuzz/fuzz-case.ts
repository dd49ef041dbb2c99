import { describeFrame, Random, type Target } from '@bms/h2/testkit';
import { attackClient, bentServerSession } from './against-client';
import { attackServer, bentClientSession } from './against-server';
import { bytesOf, type WireFrame } from './wire-frame';

/** One bent session, against one end; the seed and its index are all there is to it. */
export class FuzzCase {
  readonly attacked: 'server' | 'client';
  readonly frames: readonly WireFrame[];
  private readonly random: Random;

  constructor(
    private readonly seed: number,
    readonly index: number,
  ) {
    this.random = new Random(seedOfCase(seed, index));
    this.attacked = this.random.chance(0.7) ? 'server' : 'client';
    this.frames = this.attacked === 'server' ? bentClientSession(this.random) : bentServerSession(this.random);
  }

  /** Throws when the end that is attacked hangs. */
  run(target: Target): Promise<void> {
    return this.attacked === 'server'
      ? attackServer(this.random, this.frames, target)
      : attackClient(this.random, this.frames);
  }

  /** The command that runs it alone. */
  get replay(): string {
    return `npm run fuzz -- --seed ${this.seed} --case ${this.index}`;
  }

  /** What is sent, for people and byte by byte. */
  describe(): string {
    const frames = this.frames.map((frame) => `  ${describeFrame(frame)}\n    ${bytesOf(frame).toString('hex')}`);
    return [`case ${this.index} of seed ${this.seed}, against the ${this.attacked}:`, ...frames].join('\n');
  }
}

/** A seed of its own for each case of a run. */
function seedOfCase(seed: number, index: number): number {
  return Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
}
