import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3, type IOptions } from 'etcd3';
import type { Revision } from '../../meta-store';

/** Another client's writes, one after the other, past whatever stands between the store and etcd. */
export class HistoryWriter {
  /** The revision of each acknowledged write, by what was written: `0`, `1`, … */
  readonly revisions: Revision[] = [];
  private readonly client: Etcd3;
  private writing: Promise<void> | undefined;
  private stopping = false;

  constructor(
    endpoint: string,
    private readonly prefix: string,
    options: Partial<IOptions> = {},
  ) {
    this.client = new Etcd3({ hosts: `http://${endpoint}`, ...options });
  }

  /** Writes `count` values, each to one of few keys. */
  async write(count: number, bytes = 0): Promise<void> {
    for (let i = 0; i < count; i++) {
      const value = `${this.revisions.length}`.padEnd(bytes, ' ');
      const { header } = await this.client.put(`${this.prefix}${i % 7}`).value(value);
      this.revisions.push(BigInt(header.revision));
    }
  }

  /** Writes until {@link stop}, also through outages: what fails is only waited out. */
  writeOn(): void {
    this.writing = (async () => {
      while (!this.stopping) await this.write(1).catch(() => sleep(20));
    })();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.writing;
  }

  close(): void {
    this.client.close();
  }
}
