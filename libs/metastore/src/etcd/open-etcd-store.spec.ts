import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { etcd } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { implement } from '@bms/transport';
import { StoreOpenError } from '../meta-store';
import { openEtcdStore } from './open-etcd-store';
import { parseStoreAddress } from './store-address';
import { freePorts } from './testkit/free-ports';

describe('opening a store on etcd', () => {
  it('says in time that nobody answers', async () => {
    const [port = 0] = await freePorts(1);
    const opening = openEtcdStore({ endpoints: [`127.0.0.1:${port}`], openTimeoutMs: 1_000 });
    await expect(opening).rejects.toThrow(StoreOpenError);
    await expect(opening).rejects.toThrow(`no etcd answers at 127.0.0.1:${port} (ECONNREFUSED): check --store`);
  });

  it('says in time that something answers which is no etcd', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const opening = openEtcdStore({ endpoints: [endpoint], openTimeoutMs: 1_000 });
    await expect(opening).rejects.toThrow(new RegExp(`${endpoint}.*--store`));
    server.close();
  });

  it('refuses an etcd that is too old', async () => {
    const header = { clusterId: 1n, memberId: 1n, revision: 1n, raftTerm: 1n };
    const status = { header, version: '3.3.10', leader: 1n, errors: [] };
    const server = new GrpcServer(implement(etcd.MaintenanceDefinition, { status: async () => status }));
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const opening = openEtcdStore({ endpoints: [`127.0.0.1:${port}`] });
    await expect(opening).rejects.toThrow(/has version 3\.3\.10: 3\.4 or later is needed/);
    await server.close();
  });

  it('can be called off', async () => {
    const [port = 0] = await freePorts(1);
    const abort = new AbortController();
    const opening = openEtcdStore({ endpoints: [`127.0.0.1:${port}`], signal: abort.signal });
    abort.abort(new Error('gave up'));
    await expect(opening).rejects.toThrow('gave up');
  });

  it.each([[[]], [['localhost']], [['localhost:0']], [['localhost:99999']], [['http://localhost:2379']], [['a b:1']]])(
    'refuses endpoints %j',
    async (endpoints: string[]) => {
      await expect(openEtcdStore({ endpoints })).rejects.toThrow(/--store/);
    },
  );
});

describe('the address of a store', () => {
  it.each([
    ['embedded', { kind: 'embedded' }],
    ['etcd://127.0.0.1:2379', { kind: 'etcd', tls: false, endpoints: ['127.0.0.1:2379'] }],
    ['etcds://a.example:2379,[::1]:2380/', { kind: 'etcd', tls: true, endpoints: ['a.example:2379', '[::1]:2380'] }],
  ])('is read: %s', (text, address) => {
    expect(parseStoreAddress(text)).toEqual(address);
  });

  it.each(['', 'etcd', 'http://a:1', 'etcd://', 'etcd://a', 'etcd://a:1,', 'etcd://a:1/x', 'etcd://a:b'])(
    'is refused, with what is allowed: %j',
    (text) => {
      expect(() => parseStoreAddress(text)).toThrow(/allowed is/);
    },
  );
});
