import { NOT_YET_EXIT_CODE, type ServiceFacts } from '@bms/lifecycle';
import type { ChildExit, ServiceProcess } from './service-process';
import { RESTART_FIRST_MS, RESTART_FORGIVEN_AFTER_MS, RESTART_MAX_MS, SupervisedService } from './supervised-service';

/** A child whose life the test decides. */
class FakeRun {
  readonly signals: string[] = [];
  private resolveReady!: (facts: ServiceFacts) => void;
  private rejectReady!: (error: Error) => void;
  private resolveExit!: (exit: ChildExit) => void;
  readonly ready = new Promise<ServiceFacts>((resolve, reject) => {
    this.resolveReady = resolve;
    this.rejectReady = reject;
  });
  readonly exited = new Promise<ChildExit>((resolve) => (this.resolveExit = resolve));

  constructor(readonly pid: number) {
    this.ready.catch(() => undefined);
  }

  serve(): void {
    this.resolveReady({});
  }

  end(how: string, exitCode: number | null = null, sentence?: string): void {
    this.resolveExit({ how, sentence, exitCode });
    this.rejectReady(new Error(sentence ?? `it ended (${how})`));
  }

  signal(name: string): void {
    this.signals.push(name);
  }
}

describe('SupervisedService', () => {
  let runs: FakeRun[];
  let lines: string[];
  let previousExits: (string | undefined)[];
  let service: SupervisedService;
  let stopping: AbortController;
  const latest = (): FakeRun => runs[runs.length - 1] as FakeRun;

  beforeEach(() => {
    jest.useFakeTimers();
    runs = [];
    lines = [];
    previousExits = [];
    stopping = new AbortController();
    service = new SupervisedService({
      name: 'worker-0',
      say: (line) => lines.push(line),
      nowMs: () => performance.now(),
      start: (previousExit) => {
        previousExits.push(previousExit);
        runs.push(new FakeRun(100 + runs.length));
        return latest() as unknown as ServiceProcess;
      },
    });
  });
  afterEach(() => jest.useRealTimers());

  async function startServing(): Promise<void> {
    const started = service.startFirst(stopping.signal);
    latest().serve();
    await started;
  }

  it("throws the service's own sentence when it cannot start, and does not try again", async () => {
    const started = service.startFirst(stopping.signal);
    latest().end('exit code 1', 1, 'port 8800 is taken');
    await expect(started).rejects.toThrow('worker-0 cannot start: port 8800 is taken');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(runs).toHaveLength(1);
  });

  it('tries again where it cannot serve yet, and says each reason once', async () => {
    const started = service.startFirst(stopping.signal);
    for (const sentence of ['etcd does not answer', 'etcd does not answer', 'etcd has no leader']) {
      latest().end(`exit code ${NOT_YET_EXIT_CODE}`, NOT_YET_EXIT_CODE, sentence);
      await jest.advanceTimersByTimeAsync(RESTART_MAX_MS);
    }
    latest().serve();
    await expect(started).resolves.toEqual({});
    expect(runs).toHaveLength(4);
    expect(lines).toEqual([
      'worker-0 cannot serve yet: etcd does not answer; trying until it can',
      'worker-0 cannot serve yet: etcd has no leader; trying until it can',
    ]);
  });

  it('tries no more once it is to stop', async () => {
    const started = service.startFirst(stopping.signal);
    latest().end(`exit code ${NOT_YET_EXIT_CODE}`, NOT_YET_EXIT_CODE, 'etcd does not answer');
    await jest.advanceTimersByTimeAsync(1);
    stopping.abort();
    await expect(started).resolves.toBeUndefined();
    await jest.advanceTimersByTimeAsync(RESTART_MAX_MS);
    expect(runs).toHaveLength(1);
  });

  it('ends a start that is still under way when it is to stop', async () => {
    const started = service.startFirst(stopping.signal);
    stopping.abort();
    expect(latest().signals).toEqual(['SIGKILL']);
    latest().end('SIGKILL');
    await expect(started).resolves.toBeUndefined();
  });

  it('leaves it to serve on, and to be drained, once it serves', async () => {
    await startServing();
    stopping.abort();
    expect(latest().signals).toEqual([]);
  });

  it('says a reason for dying that repeats itself once', async () => {
    await startServing();
    for (let deaths = 0; deaths < 3; deaths++) {
      latest().end('exit code 1', 1, 'the folder is gone');
      await jest.advanceTimersByTimeAsync(RESTART_MAX_MS);
    }
    expect(lines).toEqual(['worker-0 (pid 100) ended: the folder is gone; starting it again in 0.1 s']);
  });

  it('starts a service again that died, and says so', async () => {
    await startServing();
    latest().end('SIGKILL');
    await jest.advanceTimersByTimeAsync(RESTART_FIRST_MS);
    latest().serve();
    await jest.advanceTimersByTimeAsync(0);
    expect(lines).toEqual([
      'worker-0 (pid 100) ended: SIGKILL; starting it again in 0.1 s',
      'worker-0 (pid 101) serves again',
    ]);
    expect(service.pid).toBe(101);
    expect(previousExits).toEqual([undefined, 'SIGKILL']);
  });

  it('waits twice as long after each death, up to a bound, and forgives after a long run', async () => {
    await startServing();
    for (let deaths = 0; deaths < 9; deaths++) {
      const before = runs.length;
      latest().end('exit code 1', 1);
      const pauseMs = Math.min(RESTART_FIRST_MS * 2 ** deaths, RESTART_MAX_MS);
      await jest.advanceTimersByTimeAsync(pauseMs - 1);
      expect(runs).toHaveLength(before);
      await jest.advanceTimersByTimeAsync(1);
      expect(runs).toHaveLength(before + 1);
      latest().serve();
      await jest.advanceTimersByTimeAsync(0);
    }
    await jest.advanceTimersByTimeAsync(RESTART_FORGIVEN_AFTER_MS + 1);
    const before = runs.length;
    latest().end('exit code 1', 1);
    await jest.advanceTimersByTimeAsync(RESTART_FIRST_MS);
    expect(runs).toHaveLength(before + 1);
  });

  it('starts again also a service that died before it served', async () => {
    await startServing();
    latest().end('SIGKILL');
    await jest.advanceTimersByTimeAsync(RESTART_FIRST_MS);
    latest().end('exit code 1', 1, 'the registry is not there');
    await jest.advanceTimersByTimeAsync(2 * RESTART_FIRST_MS);
    expect(runs).toHaveLength(3);
    expect(lines[1]).toContain('the registry is not there; starting it again in 0.2 s');
  });

  it('drains on stop, waits for the end and does not start it again', async () => {
    await startServing();
    const stopped = service.stop();
    expect(latest().signals).toEqual(['SIGTERM']);
    latest().end('exit code 0', 0);
    await stopped;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(runs).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it('says nothing more and is not started again once its stop is announced', async () => {
    await startServing();
    latest().end('SIGKILL');
    await jest.advanceTimersByTimeAsync(RESTART_FIRST_MS);
    service.announceStop();
    latest().serve();
    await jest.advanceTimersByTimeAsync(0);
    latest().end('SIGKILL');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(lines).toEqual(['worker-0 (pid 100) ended: SIGKILL; starting it again in 0.1 s']);
    expect(runs).toHaveLength(2);
  });

  it('stops while it waits to start again', async () => {
    await startServing();
    latest().end('SIGKILL');
    await jest.advanceTimersByTimeAsync(1);
    await service.stop();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(runs).toHaveLength(1);
  });
});
