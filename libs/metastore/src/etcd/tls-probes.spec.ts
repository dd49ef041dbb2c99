import { contents, ownPrefix, put } from '../store-under-test.testkit';
import { openEtcdStore } from './open-etcd-store';
import { describeWithEtcd } from './testkit/describe-with-etcd';
import { startEtcd, type EtcdProcess } from './testkit/etcd-process';
import { TestAuthority, type TestCertificate } from './testkit/test-certificates';

jest.setTimeout(60_000);

describeWithEtcd('an etcd with TLS and client certificates', () => {
  let authority: TestAuthority;
  let foreign: TestAuthority;
  let etcd: EtcdProcess;
  let misnamed: EtcdProcess;
  let plain: EtcdProcess;
  let ours: TestCertificate;
  beforeAll(async () => {
    authority = new TestAuthority();
    foreign = new TestAuthority('another authority');
    const { caFile: trustedCaFile } = authority;
    ours = authority.issue('registry', 'DNS:registry');
    const certificates = { ...authority.issue('etcd', 'IP:127.0.0.1,DNS:localhost'), trustedCaFile };
    etcd = await startEtcd({ certificates });
    misnamed = await startEtcd({ certificates: authority.issue('elsewhere', 'DNS:elsewhere') });
    plain = await startEtcd();
  });
  afterAll(async () => {
    await Promise.all([etcd, misnamed, plain].map((each) => each.dispose()));
    authority.dispose();
    foreign.dispose();
  });

  it('is used over TLS, by address and by name', async () => {
    const port = etcd.endpoint.split(':')[1] ?? '';
    for (const endpoint of [etcd.endpoint, `localhost:${port}`]) {
      const store = await openEtcdStore({ endpoints: [endpoint], tls: { ca: authority.ca, ...ours } });
      const p = ownPrefix();
      await put(store, `${p}a`, '1');
      expect(await contents(store, p)).toEqual({ a: '1' });
      await store.close();
    }
  });

  const refusals: [string, () => Promise<unknown>, RegExp][] = [
    [
      'the authority is another one',
      () => openEtcdStore({ endpoints: [etcd.endpoint], tls: { ...ours, ca: foreign.ca } }),
      /not signed by --store-ca \(\w+\): check --store-ca/,
    ],
    [
      'we show no certificate',
      () => openEtcdStore({ endpoints: [etcd.endpoint], tls: { ca: authority.ca } }),
      /asks for a certificate of ours: set --store-cert and --store-key/,
    ],
    [
      'our certificate is of another authority',
      () => openEtcdStore({ endpoints: [etcd.endpoint], tls: { ca: authority.ca, ...foreign.issue('us', 'DNS:us') } }),
      /does not take our certificate: check --store-cert/,
    ],
    [
      'its certificate is for another host',
      () => openEtcdStore({ endpoints: [misnamed.endpoint], tls: { ca: authority.ca } }),
      /is for another host: check --store/,
    ],
    [
      'we do not speak TLS',
      () => openEtcdStore({ endpoints: [etcd.endpoint], openTimeoutMs: 2_000 }),
      /hangs up on whoever does not speak TLS: write --store etcds:/,
    ],
    [
      'it does not speak TLS',
      () => openEtcdStore({ endpoints: [plain.endpoint], tls: { ca: authority.ca }, openTimeoutMs: 2_000 }),
      /hangs up on whoever speaks TLS: write --store etcd:/,
    ],
  ];
  it.each(refusals)('says in one sentence, soon, when %s', async (_, open, sentence) => {
    const startedMs = performance.now();
    await expect(open()).rejects.toThrow(sentence);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});
