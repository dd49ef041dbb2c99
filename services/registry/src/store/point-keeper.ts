import type { Clock } from '../clock';
import type { StoreMirror } from '../watch/store-mirror';
import type { StateFolder } from './state-folder';
import type { StoreTrust } from './store-trust';

/** How often it is written down at most. */
const EVERY_MS = 3_000;

/** Writes down how far the store was followed, so that a registry that is started again notices a store that went back. */
export class PointKeeper {
  private written: bigint | undefined;
  private cancel: () => void = () => undefined;

  constructor(
    private readonly state: StateFolder,
    private readonly mirror: StoreMirror,
    private readonly trust: StoreTrust,
    private readonly clock: Clock,
    /** Told what went wrong; it is tried again. */
    private readonly onTrouble: (error: unknown) => void,
  ) {}

  start(): void {
    this.keep();
    this.cancel = this.clock.after(EVERY_MS, () => this.start());
  }

  close(): void {
    this.cancel();
    this.keep();
  }

  private keep(): void {
    const { point } = this.mirror;
    if (this.trust.doubt !== undefined || point === undefined || point.revision === this.written) return;
    try {
      this.state.remember(point);
      this.written = point.revision;
    } catch (error) {
      this.onTrouble(error);
    }
  }
}
