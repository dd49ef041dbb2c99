import { parseRestPath } from './rest-path';

describe('parseRestPath', () => {
  it.each([
    ['/v1/models/digits', 'status', 'GET', { kind: 'active' }],
    ['/v1/models/digits/versions/3', 'status', 'GET', { kind: 'version', digits: '3' }],
    ['/v1/models/digits/labels/stable', 'status', 'GET', { kind: 'label', label: 'stable' }],
    ['/v1/models/digits/metadata', 'metadata', 'GET', { kind: 'active' }],
    ['/v1/models/digits/versions/3/metadata', 'metadata', 'GET', { kind: 'version', digits: '3' }],
    ['/v1/models/digits/labels/stable/metadata', 'metadata', 'GET', { kind: 'label', label: 'stable' }],
    ['/v1/models/digits:predict', 'predict', 'POST', { kind: 'active' }],
    ['/v1/models/digits/versions/3:predict', 'predict', 'POST', { kind: 'version', digits: '3' }],
    ['/v1/models/digits/labels/stable:predict', 'predict', 'POST', { kind: 'label', label: 'stable' }],
    ['/v1/models/d%69gits:predict', 'predict', 'POST', { kind: 'active' }],
  ])('takes %s', (path, kind, method, selector) => {
    expect(parseRestPath(path)).toEqual({ kind, method, model: { name: 'digits', selector } });
  });

  it.each([
    '',
    '/',
    '/v1',
    '/v1/models',
    '/v1/models/',
    '/v1/models//versions/1',
    '/v2/models/digits',
    '/v1/models/digits/',
    '/v1/models/digits/version/3',
    '/v1/models/digits/versions/',
    '/v1/models/digits/versions/3/labels/x',
    '/v1/models/digits:predict/',
    '/v1/models/digits:',
    '/v1/models/digits:explain',
    '/v1/models/a/b:predict',
  ])('knows no %j', (path) => {
    expect(parseRestPath(path)).toBeUndefined();
  });

  it.each([
    ['/v1/models/digits/versions/three:predict', 'versions: "three" is not a version'],
    ['/v1/models/digits/versions/-1', 'versions: "-1" is not a version'],
    ['/v1/models/%zz:predict', 'is not percent-encoded'],
    ['/v1/models/digits:classify', 'classify is not offered: there is POST /v1/models/NAME:predict'],
  ])('refuses %s, and says why', (path, sentence) => {
    expect(() => parseRestPath(path)).toThrow(sentence);
  });
});
