import type { VersionId } from '@bms/contracts';
import type { Servable } from './servable';

/** The versions that this worker can be asked for now. Lifecycle writes it, the request path reads it. */
export class ServableSet {
  private readonly byId = new Map<VersionId, Servable>();

  add(servable: Servable): void {
    this.byId.set(servable.id, servable);
  }

  remove(servable: Servable): void {
    if (this.byId.get(servable.id) === servable) this.byId.delete(servable.id);
  }

  find(id: VersionId): Servable | undefined {
    return this.byId.get(id);
  }

  get size(): number {
    return this.byId.size;
  }

  all(): Iterable<Servable> {
    return this.byId.values();
  }

  /** The versions of a model, the highest first. */
  versionsOf(tenant: string, model: string): readonly Servable[] {
    return [...this.byId.values()]
      .filter(({ ref }) => ref.tenant === tenant && ref.model === model)
      .sort((one, other) => Number(other.ref.version - one.ref.version));
  }
}
