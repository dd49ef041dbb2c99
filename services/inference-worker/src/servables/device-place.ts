import type { Clock } from '../clock';
import type { Servable } from './servable';

/**
 * A turn's place on the device. It has a permit, or it waits in an executor's thread behind another turn of its version, whose
 * permit it comes into when that one ends: so the executor has no pause in which the next turn would still be on its way.
 */
export class DevicePlace {
  /** When it had its permit; before that, when it was sent. Monotonic milliseconds. */
  startedMs: number;

  constructor(
    private permit: (() => void) | undefined,
    private readonly clock: Clock,
  ) {
    this.startedMs = clock.monotonic();
  }

  /** Lets others run beside the turn, which goes on. */
  release(): void {
    this.permit?.();
  }

  /** The turn has ended: its permit goes to the one behind it, if there is one. */
  passOn(heir: DevicePlace | undefined): void {
    if (heir === undefined) this.release();
    else heir.inherit(this.permit);
  }

  private inherit(permit: (() => void) | undefined): void {
    this.permit = permit;
    this.startedMs = this.clock.monotonic();
  }
}

/** The turns that wait in executors' threads, by their version, the first one first. */
export class Followers {
  private readonly byVersion = new Map<Servable, DevicePlace[]>();

  add(servable: Servable, place: DevicePlace): void {
    const places = this.byVersion.get(servable);
    if (places === undefined) this.byVersion.set(servable, [place]);
    else places.push(place);
  }

  /** A turn of the version has ended, perhaps one that had no permit yet: who comes into its place. */
  next(servable: Servable, ended: DevicePlace): DevicePlace | undefined {
    const places = this.byVersion.get(servable);
    if (places === undefined) return undefined;
    const itself = places.indexOf(ended);
    if (itself >= 0) places.splice(itself, 1);
    const heir = itself >= 0 ? undefined : places.shift();
    if (places.length === 0) this.byVersion.delete(servable);
    return heir;
  }
}
