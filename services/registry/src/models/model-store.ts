import { randomBytes } from 'node:crypto';
import { BmsError, Reason } from '@bms/contracts';
import { OutcomeUnknownError, type Compare, type MetaStore, type Revision, type Write } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import {
  modelFormat,
  requestFormat,
  versionFormat,
  type ModelRecord,
  type RequestRecord,
  type VersionRecord,
} from '../records/values';

export interface ModelStoreOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly clock: Clock;
  /** From 0 to 1, spreads those that try again. */
  readonly random: () => number;
}

/** Names one model. */
export interface ModelKey {
  readonly tenant: string;
  readonly model: string;
}

/** What one read of the store gave. */
export interface ModelRead {
  readonly model: ModelRecord | undefined;
  readonly versions: ReadonlyMap<number, VersionRecord>;
  readonly request: RequestRecord | undefined;
}

export interface ReadWish {
  /** Which versions to read along. */
  readonly versions: readonly number[] | 'all';
  /** Read along what a RegisterVersion with this id made. */
  readonly requestId?: string;
}

/** What to write; without a field, nothing changes. */
export interface ModelWrites<T> {
  readonly model?: ModelRecord | undefined;
  readonly version?: VersionRecord | undefined;
  /** Remember that this request made the version. */
  readonly requestId?: string | undefined;
  /** What the caller gets. */
  readonly result: T;
}

export interface Committed<T> {
  readonly result: T;
  /** Of the model's last change: this one, or the one that the decision to change nothing was taken on. 0: no such model. */
  readonly revision: Revision;
}

/** How often a change is tried when others change the same model at the same time. */
const ATTEMPTS_MAX = 12;
const RETRY_BASE_MS = 2;
const RETRY_MAX_MS = 100;
/** Change ids that a model keeps: more than can happen to it while the answer to one write is missing. */
const RECENT_CHANGES = 16;

/**
 * Changes models: read, decide, commit if nothing of the model has changed since the read, else again. Every change of a
 * model or of one of its versions writes the model's record, so that record's mod revision stands for all of them, and
 * carries the change's id, so that a commit without an answer is decided by reading.
 */
export class ModelStore {
  constructor(private readonly options: ModelStoreOptions) {}

  /**
   * `decide` may be called several times and must be pure. Throws what it throws; CONFLICT when others kept changing the
   * model; OUTCOME_UNKNOWN when the store did not say whether it was written and cannot be read now.
   */
  async change<T>(
    key: ModelKey,
    wish: ReadWish,
    decide: (read: ModelRead) => ModelWrites<T>,
    signal: AbortSignal,
  ): Promise<Committed<T>> {
    const changeId = randomBytes(9).toString('base64url');
    let unanswered: { readonly result: T; readonly cause: unknown } | undefined;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { read, modRevision } = await this.readAll(key, wish, signal).catch((error: unknown) => {
        throw unanswered === undefined ? error : outcomeUnknown(key, unanswered.cause);
      });
      if (unanswered !== undefined && read.model?.recentChanges.includes(changeId) === true) {
        return { result: unanswered.result, revision: modRevision };
      }
      const writes = decide(read);
      if (writes.model === undefined && writes.version === undefined)
        return { result: writes.result, revision: modRevision };
      try {
        const commit = await this.options.store.commit(
          this.transaction(key, read, modRevision, writes, changeId),
          signal,
        );
        if (commit.succeeded) return { result: writes.result, revision: commit.revision };
      } catch (error) {
        if (!(error instanceof OutcomeUnknownError)) throw error;
        unanswered = { result: writes.result, cause: error };
      }
      await this.pause(attempt, signal);
    }
    if (unanswered !== undefined) throw outcomeUnknown(key, unanswered.cause);
    throw new BmsError(Reason.CONFLICT, `${key.tenant}/${key.model} is being changed by others: try again`, {
      retryAfterMs: RETRY_MAX_MS,
    });
  }

  async read(key: ModelKey, wish: ReadWish, signal: AbortSignal): Promise<ModelRead> {
    return (await this.readAll(key, wish, signal)).read;
  }

  /** The model is read first: a version that changes after that read makes the commit fail, since it writes the model, too. */
  private async readAll(
    { tenant, model }: ModelKey,
    wish: ReadWish,
    signal: AbortSignal,
  ): Promise<{ read: ModelRead; modRevision: Revision }> {
    const { store, keys } = this.options;
    const first = await store.range({ key: keys.model(tenant, model) }, { signal });
    const entry = first.entries[0];
    const ranges =
      wish.versions === 'all'
        ? [{ prefix: keys.versionsOf(tenant, model) }]
        : wish.versions.map((number) => ({ key: keys.version(tenant, model, number) }));
    const versions = new Map<number, VersionRecord>();
    for (const range of ranges) {
      for (const one of (await store.range(range, { signal })).entries) {
        const version = versionFormat.decode(one.value, one.key);
        versions.set(version.version, version);
      }
    }
    return {
      read: {
        model: entry === undefined ? undefined : modelFormat.decode(entry.value, entry.key),
        versions,
        request:
          wish.requestId === undefined ? undefined : await this.request({ tenant, model }, wish.requestId, signal),
      },
      modRevision: entry?.modRevision ?? 0n,
    };
  }

  private async request(
    { tenant, model }: ModelKey,
    requestId: string,
    signal: AbortSignal,
  ): Promise<RequestRecord | undefined> {
    const key = this.options.keys.request(tenant, model, requestId);
    const [entry] = (await this.options.store.range({ key }, { signal })).entries;
    return entry === undefined ? undefined : requestFormat.decode(entry.value, key);
  }

  private transaction<T>(
    { tenant, model }: ModelKey,
    read: ModelRead,
    modRevision: Revision,
    writes: ModelWrites<T>,
    changeId: string,
  ): { compares: Compare[]; writes: Write[] } {
    const { keys } = this.options;
    const key = keys.model(tenant, model);
    const record = writes.model ?? read.model;
    if (record === undefined) throw new Error(`a version of ${tenant}/${model} cannot be written without its model`);
    const recentChanges = [...record.recentChanges, changeId].slice(-RECENT_CHANGES);
    const puts: Write[] = [{ put: key, value: modelFormat.encode({ ...record, recentChanges }) }];
    if (writes.version !== undefined) {
      const { version } = writes.version;
      puts.push({ put: keys.version(tenant, model, version), value: versionFormat.encode(writes.version) });
      if (writes.requestId !== undefined) {
        puts.push({ put: keys.request(tenant, model, writes.requestId), value: requestFormat.encode({ version }) });
      }
    }
    return { compares: [{ key, modRevision }], writes: puts };
  }

  private async pause(attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.options;
    await pause(clock, random() * Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt), signal);
  }
}

function outcomeUnknown({ tenant, model }: ModelKey, cause: unknown): BmsError {
  return new BmsError(
    Reason.OUTCOME_UNKNOWN,
    `the change of ${tenant}/${model} was sent to the store, which did not say whether it happened: look before you repeat it`,
    { cause },
  );
}
