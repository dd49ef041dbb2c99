import { BmsError, modelId, Reason, versionId } from '@bms/contracts';
import type { Clock } from '../clock';
import { placementView, type PlacementView } from '../placement/placement-view';
import type { KeyLayout } from '../records/keys';
import type { VersionRecord } from '../records/values';
import { waitUntil } from '../watch/change-source';
import type { StreamGate } from '../streams/stream-gate';
import { findVersion } from '../watch/mesh-snapshot';
import type { RouterAcknowledgements } from '../watch/router-acknowledgements';
import type { StoreMirror } from '../watch/store-mirror';
import type { ModelKey } from './model-store';
import { readinessOf, type Readiness } from './readiness';
import { requirePublished, versionNotFound } from './model-changes';

export interface ReadinessWatchOptions {
  readonly mirror: StoreMirror;
  readonly keys: KeyLayout;
  readonly acknowledgements: RouterAcknowledgements;
  readonly clock: Clock;
  readonly defaultReplicas: number;
  /** Closed when this registry goes away or cannot follow the store: nobody is kept waiting for what it will not see. */
  readonly gate: StreamGate;
}

type Enough = (readiness: Extract<Readiness, { kind: 'ready' }>) => boolean;

/** When a wait that found no version ready may be tried again. */
const RETRY_AFTER_MS = 1_000;
const CATCH_UP_BOUND_MS = 1_000;

/** Waits for versions to become ready on workers, and for the routers to know. */
export class ReadinessWatch {
  constructor(private readonly options: ReadinessWatchOptions) {}

  /** The snapshot as placement sees it, for notes and states. */
  view(): PlacementView {
    const { mirror, clock, defaultReplicas } = this.options;
    return placementView({
      snapshot: mirror.snapshot,
      defaultReplicas,
      acknowledgedRevision: 0n,
      nowMs: clock.nowMs(),
      settling: false,
    });
  }

  /**
   * Resolves when at least one worker has the version ready and every connected router routes by that. Throws NOT_READY that
   * says what is missing: when `timeoutMs` has passed, or at once when no worker could load it. Throws VERSION_NOT_FOUND,
   * VERSION_OFFLINE.
   */
  async routable(key: ModelKey, number: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.wait(key, number, timeoutMs, signal, () => true);
  }

  /** Like {@link routable}, but waits for the other workers that the version is on its way to, while there is time. */
  async complete(key: ModelKey, number: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.wait(key, number, timeoutMs, signal, ({ complete }) => complete);
  }

  private async wait(
    key: ModelKey,
    number: number,
    timeoutMs: number,
    signal: AbortSignal,
    enough: Enough,
  ): Promise<void> {
    const { mirror, keys, acknowledgements, clock, gate } = this.options;
    const endMs = clock.nowMs() + timeoutMs;
    await mirror.catchUp(keys.model(key.tenant, key.model), signal, CATCH_UP_BOUND_MS);
    const look = (): Readiness => readinessOf(this.view(), this.version(key, number));
    const check = (): true | undefined => {
      const refusal = gate.refusal();
      if (refusal !== undefined) throw refusal;
      const readiness = look();
      if (readiness.kind === 'failed') throw notReady(key, number, readiness.reason);
      return readiness.kind === 'ready' && enough(readiness) ? true : undefined;
    };
    const found = await waitUntil([mirror, gate], check, { clock, signal, boundMs: timeoutMs });
    const last = look();
    if (found === undefined && last.kind !== 'ready') {
      const missing = last.kind === 'pending' ? last.missing : 'it was taken offline';
      throw notReady(key, number, `${missing} (waited ${timeoutMs} ms)`);
    }
    // At least the routers' last word is heard when the workers took all the time.
    const boundMs = Math.max(0, endMs - clock.nowMs());
    const acknowledged = await acknowledgements.waitFor(mirror.snapshot.revision, boundMs, signal);
    if (acknowledged.kind === 'missing') {
      const routers = acknowledged.routers.join(', ');
      throw notReady(
        key,
        number,
        `these routers have not acknowledged its routes: ${routers} (waited ${timeoutMs} ms)`,
      );
    }
  }

  private version({ tenant, model }: ModelKey, number: number): VersionRecord {
    const found = findVersion(this.options.mirror.snapshot, modelId(tenant, model), number)?.record;
    if (found === undefined || found.state === 'deleted') {
      throw versionNotFound(tenant, model, number, found !== undefined);
    }
    requirePublished(found);
    return found;
  }
}

function notReady({ tenant, model }: ModelKey, number: number, missing: string): BmsError {
  const id = versionId(tenant, model, number);
  return new BmsError(Reason.NOT_READY, `${id} is not ready: ${missing}`, {
    retryAfterMs: RETRY_AFTER_MS,
    facts: { version: id },
  });
}
