import { runBms, TestMesh } from './test-mesh';

/** What `bms load --json` says at its end. */
interface LoadSummary {
  readonly sent: number;
  readonly right: number;
  readonly failed: number;
  readonly wrong: number;
}

const RATE = 60;

describe('a mesh under a checked load', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await TestMesh.start();
  }, 120_000);
  afterAll(async () => {
    await mesh.stop();
  });

  /** Drives checked requests while `disturb` runs, and answers what became of them. */
  async function under(disturb: () => Promise<void>): Promise<LoadSummary> {
    const load = runBms([
      'load',
      'digits',
      ...['--rate', String(RATE), '--seconds', '8', '--json'],
      ...['--data', mesh.data, '--port-base', String(mesh.portBase)],
    ]);
    await disturb();
    const { out, err, code } = await load;
    const last = out.trim().split('\n').at(-1) ?? '';
    if (code !== 0) throw new Error(`bms load ended with ${code}: ${last} ${err}`);
    return (JSON.parse(last) as { summary: LoadSummary }).summary;
  }

  async function untilBothServe(): Promise<void> {
    await mesh.until(async () => {
      const { workers, versions } = await mesh.status().catch(() => ({ workers: [], versions: [] }));
      return (
        workers.filter(({ attached }) => attached).length === 2 &&
        versions.every(({ readyReplicas }) => readyReplicas === 2)
      );
    });
  }

  it.each([
    ['worker-0', 'SIGKILL'],
    ['worker-1', 'SIGKILL'],
    ['registry', 'SIGKILL'],
    ['admin', 'SIGKILL'],
    ['worker-0', 'SIGTERM'],
    ['registry', 'SIGTERM'],
    ['admin', 'SIGTERM'],
  ] as const)(
    'fails no request and answers none wrongly when %s gets %s',
    async (name, signal) => {
      await untilBothServe();
      const summary = await under(async () => {
        await new Promise((next) => setTimeout(next, 2_000)); // into the load: this test is about time
        await mesh.killAndAwaitSuccessor(name, signal);
      });
      expect(summary).toMatchObject({ failed: 0, wrong: 0, right: summary.sent });
      expect(summary.sent).toBeGreaterThan(RATE * 6);
      await untilBothServe();
    },
    90_000,
  );

  it('serves from its last snapshot when the router starts again while the registry is down', async () => {
    await untilBothServe();
    process.kill(mesh.pids()['registry'] as number, 'SIGSTOP');
    try {
      await mesh.killAndAwaitSuccessor('router', 'SIGKILL');
      const client = mesh.client();
      await mesh.until(async () => {
        const pixels = { datatype: 'FP32' as const, shape: [1, 64], data: new Float32Array(64) };
        return client.infer({ model: 'digits', inputs: { pixels } }, { timeoutMs: 1_000 }).then(
          ({ version }) => version === 2,
          () => false,
        );
      });
      client.close();
    } finally {
      process.kill(mesh.pids()['registry'] as number, 'SIGCONT');
    }
    await untilBothServe();
  }, 90_000);
});
