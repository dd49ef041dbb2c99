import type { Revision } from '@bms/metastore';
import { BmsError, Reason } from '@bms/contracts';
import type { Clock } from '../clock';
import type { ModelRecord, VersionRecord, VersionStateWord } from '../records/values';
import type { RouterAcknowledgements } from '../watch/router-acknowledgements';
import type { StoreMirror } from '../watch/store-mirror';
import {
  activate,
  addVersion,
  changeState,
  modelNotFound,
  removeLabel,
  rollBackTarget,
  setLabel,
  versionNotFound,
  type Author,
  type ModelChange,
  type ModelState,
  type VersionDraft,
} from './model-changes';
import type { ModelKey, ModelRead, ModelStore, ReadWish } from './model-store';
import type { ReadinessWatch } from './readiness-watch';

export interface ModelCatalogOptions {
  readonly models: ModelStore;
  readonly readiness: ReadinessWatch;
  readonly mirror: StoreMirror;
  readonly acknowledgements: RouterAcknowledgements;
  readonly clock: Clock;
}

export interface Activated {
  readonly model: ModelRecord;
  /** 0: none was active. */
  readonly previousVersion: number;
}

/** How long a change that is in the store waits for the routers before it is answered all the same. */
export const ROUTERS_BOUND_MS = 5_000;
/** How long to wait to see one's own write; it comes within milliseconds. */
const OWN_WRITE_BOUND_MS = 5_000;

/**
 * What people do with models. Each change is one transaction and is answered once the routers route by it. Whatever sends
 * callers to a version (activate, roll back, label) first waits until that version can answer them; when it cannot in time,
 * nothing has changed.
 */
export class ModelCatalog {
  constructor(private readonly options: ModelCatalogOptions) {}

  /**
   * Makes the next version of a model. With the id of a request that was carried out already: the version that it made.
   * Throws INVALID_REQUEST when that request was for other files.
   */
  async register(draft: VersionDraft, by: string, signal: AbortSignal): Promise<VersionRecord> {
    const { models } = this.options;
    const { requestId } = draft;
    const wish = { versions: [], ...(requestId === '' ? {} : { requestId }) };
    const author = this.author(by);
    const { result, revision } = await models.change<VersionRecord | number>(
      draft,
      wish,
      ({ model, request }) => {
        if (request !== undefined) return { result: request.version };
        const added = addVersion(model, draft, author);
        return { ...added, result: added.version, ...(requestId === '' ? {} : { requestId }) };
      },
      signal,
    );
    await this.seen(revision, signal);
    if (typeof result !== 'number') return result;
    return this.sameFiles(await this.readVersion(draft, result, signal), draft.artifact.digest);
  }

  /**
   * The version that a request made, where it was carried out already. Throws INVALID_REQUEST when it was for other files
   * than those of `digest`.
   */
  async registered(
    key: ModelKey,
    requestId: string,
    digest: string,
    signal: AbortSignal,
  ): Promise<VersionRecord | undefined> {
    const { request } = await this.options.models.read(key, { versions: [], requestId }, signal);
    return request && this.sameFiles(await this.readVersion(key, request.version, signal), digest);
  }

  private sameFiles(version: VersionRecord, digest: string): VersionRecord {
    if (version.artifact.digest === digest) return version;
    throw BmsError.invalidRequest('request_id', `was used for other files, which are version ${version.version}`);
  }

  async setState(
    key: ModelKey,
    number: number,
    to: VersionStateWord,
    force: boolean,
    signal: AbortSignal,
  ): Promise<VersionRecord> {
    const decide = (state: ModelState): ModelChange => changeState(state, number, to, force);
    const { before, change } = await this.change(key, { versions: [number] }, decide, signal);
    const version = change.version ?? before.versions.get(number);
    if (version === undefined) throw versionNotFound(key.tenant, key.model, number, false);
    return version;
  }

  async activate(
    key: ModelKey,
    number: number,
    timeoutMs: number,
    by: string,
    signal: AbortSignal,
  ): Promise<Activated> {
    await this.options.readiness.routable(key, number, timeoutMs, signal);
    const author = this.author(by);
    const { before, change } = await this.change(
      key,
      { versions: [number] },
      (state) => activate(state, number, author),
      signal,
    );
    return { model: change.model ?? before.model, previousVersion: before.model.activeVersion };
  }

  /** `wish`: to this version of the history; undefined: to the one before. */
  async rollBack(
    key: ModelKey,
    wish: number | undefined,
    timeoutMs: number,
    by: string,
    signal: AbortSignal,
  ): Promise<Activated> {
    const state = existing(key, await this.options.models.read(key, { versions: 'all' }, signal));
    const target = rollBackTarget(state, wish);
    await this.options.readiness.routable(key, target, timeoutMs, signal);
    const author = this.author(by);
    const decide = (now: ModelState): ModelChange => {
      if (now.model.activeVersion !== state.model.activeVersion && now.model.activeVersion !== target) {
        throw new BmsError(
          Reason.CONFLICT,
          `${key.tenant}/${key.model}@${now.model.activeVersion} was activated by somebody else meanwhile: look, and roll back again`,
        );
      }
      return activate(now, target, author, 'rollback');
    };
    const { before, change } = await this.change(key, { versions: [target] }, decide, signal);
    return { model: change.model ?? before.model, previousVersion: before.model.activeVersion };
  }

  async setLabel(
    key: ModelKey,
    label: string,
    number: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ModelRecord> {
    await this.options.readiness.routable(key, number, timeoutMs, signal);
    const { before, change } = await this.change(
      key,
      { versions: [number] },
      (state) => setLabel(state, label, number),
      signal,
    );
    return change.model ?? before.model;
  }

  async removeLabel(key: ModelKey, label: string, signal: AbortSignal): Promise<ModelRecord> {
    const { before, change } = await this.change(key, { versions: [] }, (state) => removeLabel(state, label), signal);
    return change.model ?? before.model;
  }

  /** Commits what `decide` says and waits for the routers. */
  private async change(
    key: ModelKey,
    wish: ReadWish,
    decide: (state: ModelState) => ModelChange,
    signal: AbortSignal,
  ): Promise<{ before: ModelState; change: ModelChange }> {
    const { result, revision } = await this.options.models.change(
      key,
      wish,
      (read) => {
        const before = existing(key, read);
        const change = decide(before);
        return { ...change, result: { before, change } };
      },
      signal,
    );
    await this.seen(revision, signal);
    await this.options.acknowledgements.waitFor(revision, ROUTERS_BOUND_MS, signal);
    return result;
  }

  private async readVersion(key: ModelKey, number: number, signal: AbortSignal): Promise<VersionRecord> {
    const read = await this.options.models.read(key, { versions: [number] }, signal);
    const version = read.versions.get(number);
    if (version === undefined) throw versionNotFound(key.tenant, key.model, number, false);
    return version;
  }

  /** Whoever asks this registry next shall see what was written. */
  private async seen(revision: Revision, signal: AbortSignal): Promise<void> {
    await this.options.mirror.reached(revision, signal, OWN_WRITE_BOUND_MS);
  }

  private author(by: string): Author {
    return { by, atMs: this.options.clock.nowMs() };
  }
}

function existing({ tenant, model }: ModelKey, read: ModelRead): ModelState {
  if (read.model === undefined) throw modelNotFound(tenant, model);
  return { model: read.model, versions: read.versions };
}
