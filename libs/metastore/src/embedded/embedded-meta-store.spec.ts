import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMetaStoreContract } from '../contract-suite';
import { ManualClock } from '../manual-clock.testkit';
import type { StoreUnderTest } from '../store-under-test.testkit';
import type { EmbeddedMetaStore } from './embedded-meta-store';
import { openEmbeddedStore } from './open-embedded-store';

async function openTested(): Promise<StoreUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'bms-store-'));
  const clock = new ManualClock();
  let losing = false;
  const beforeAnswers = (): void => {
    if (!losing) return;
    losing = false;
    throw new Error('the answer got lost');
  };
  let store: EmbeddedMetaStore = await openEmbeddedStore({ folder, clock, beforeAnswers });
  return {
    get store() {
      return store;
    },
    ttlMs: 10_000,
    elapse: async (ms) => {
      clock.advance(ms);
      await store.commit({ compares: [], writes: [] }); // its turn comes behind whatever has fallen due
    },
    reopen: async () => {
      await store.close();
      store = await openEmbeddedStore({ folder, clock, beforeAnswers });
      return store;
    },
    loseNextAnswer: () => (losing = true),
    dispose: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describeMetaStoreContract('EmbeddedMetaStore', openTested);
