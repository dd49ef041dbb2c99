import { BmsError, models, Reason, type TenantId } from '@bms/contracts';
import { findVersion, requirePublished, requireReady, selectorOf } from './resolve-version';
import { RouteTable } from './route-table';
import { modelRoute, routeSnapshot, workerRoute } from './routes.testkit';

const { REGISTERED, OFFLINE } = models.VersionState;
const table = RouteTable.of(
  routeSnapshot(
    1,
    [
      modelRoute(
        'digits',
        [
          { version: 1, state: OFFLINE },
          { version: 2, ready: ['w1'] },
          { version: 3, reason: 'it is being loaded by 2 workers' },
          { version: 4, state: REGISTERED },
        ],
        { active: 2, labels: { stable: 2, canary: 3, old: 1, gone: 9 } },
      ),
      modelRoute('idle', [{ version: 1 }, { version: 2 }, { version: 3, state: REGISTERED }]),
      modelRoute('empty', []),
      modelRoute('secret', [{ version: 1, ready: ['w1'] }], { tenant: 'acme', active: 1 }),
    ],
    [workerRoute('w1')],
  ),
);

function resolve(name: string, version: string, tenant = 'default', routes: RouteTable | undefined = table): string {
  const found = findVersion(routes, tenant as TenantId, { name, selector: selectorOf(version, 'model_version') });
  requirePublished(found);
  requireReady(found);
  return found.id;
}

describe('resolving a version', () => {
  it.each([
    ['nothing: the active one', 'digits', '', 'default', 'default/digits@2'],
    ['digits: a version', 'digits', '2', 'default', 'default/digits@2'],
    ['digits with zeros before', 'digits', '002', 'default', 'default/digits@2'],
    ['a label', 'digits', 'stable', 'default', 'default/digits@2'],
    ["another tenant's model", 'secret', '', 'acme', 'acme/secret@1'],
  ])('takes %s', (_what, name, version, tenant, id) => {
    expect(resolve(name, version, tenant)).toBe(id);
  });

  it.each([
    ['an unknown model', 'nope', '', Reason.MODEL_NOT_FOUND, 'tenant "default" has no model "nope"'],
    ["another tenant's model", 'secret', '', Reason.MODEL_NOT_FOUND, 'no model "secret"'],
    ['no model at all', '', '', Reason.INVALID_REQUEST, 'model_name: is missing'],
    ['an unknown version', 'digits', '9', Reason.VERSION_NOT_FOUND, 'has no version 9: it has 1, 2, 3, 4'],
    ['version 0', 'digits', '0', Reason.VERSION_NOT_FOUND, 'no version 0'],
    ['a version beyond all numbers', 'digits', '9'.repeat(30), Reason.VERSION_NOT_FOUND, 'it has 1, 2, 3, 4'],
    ['a version of a model without any', 'empty', '1', Reason.VERSION_NOT_FOUND, 'it has none'],
    ['an unknown label', 'digits', 'beta', Reason.LABEL_NOT_FOUND, 'no label "beta": it has canary, gone, old, stable'],
    ['a label of a model without any', 'idle', 'beta', Reason.LABEL_NOT_FOUND, 'it has none'],
    ['a label on a version that is gone', 'digits', 'gone', Reason.VERSION_NOT_FOUND, 'no version 9'],
    ['no active version', 'idle', '', Reason.NO_ACTIVE_VERSION, 'run "bms activate idle@2"'],
    [
      'an offline version',
      'digits',
      '1',
      Reason.VERSION_OFFLINE,
      'is offline: run "bms publish digits@1" to bring it back',
    ],
    [
      'an offline version by its label',
      'digits',
      'old',
      Reason.VERSION_OFFLINE,
      'version 1 of model digits is offline',
    ],
    [
      'a version that was never published',
      'digits',
      '4',
      Reason.VERSION_OFFLINE,
      'registered but was never published: run "bms publish digits@4"',
    ],
    ['a version that is not ready', 'digits', 'canary', Reason.NOT_READY, 'not ready: it is being loaded by 2 workers'],
    ['neither version nor label', 'digits', '-1', Reason.INVALID_REQUEST, 'model_version: "-1" is neither a version'],
    ['neither version nor label', 'digits', '1.5', Reason.INVALID_REQUEST, 'neither a version'],
  ])('refuses %s', (_what, name, version, reason, sentence) => {
    expect(() => resolve(name, version)).toThrow(sentence);
    try {
      resolve(name, version);
    } catch (error) {
      expect(BmsError.from(error).reason).toBe(reason);
    }
  });

  const failureOf = (act: () => unknown): BmsError => {
    try {
      act();
    } catch (error) {
      return BmsError.from(error);
    }
    throw new Error('nothing was thrown');
  };

  it('says when to ask again for what is not ready', () => {
    expect(failureOf(() => resolve('digits', '3')).retryAfterMs).toBe(1_000);
  });

  it('is not ready as long as there are no routes', () => {
    const wanted = { name: 'digits', selector: { kind: 'active' } } as const;
    const failure = failureOf(() => findVersion(undefined, 'default' as TenantId, wanted));
    expect(failure).toMatchObject({ reason: Reason.NOT_READY, retryAfterMs: 1_000 });
  });

  it('lists at most twenty versions, the newest', () => {
    const many = modelRoute(
      'many',
      Array.from({ length: 200 }, (_, at) => ({ version: at + 1 })),
    );
    const routes = RouteTable.of(routeSnapshot(1, [many], []));
    expect(() => resolve('many', '999', 'default', routes)).toThrow(/it has …, 181, .* 200$/);
  });
});
