import { InferenceSession, Tensor } from 'onnxruntime-node';
import { WIDTHS, type BenchModel } from './bench-model';

/** ONNX Runtime in a bare loop on this thread: what a worker is measured against. */
export class BareSession {
  private constructor(private readonly session: InferenceSession) {}

  static async of({ file }: BenchModel): Promise<BareSession> {
    const extra = { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } };
    const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', extra } as const;
    return new BareSession(await InferenceSession.create(file, options));
  }

  /** Microseconds a row, in runs of so many rows. */
  async microsPerRow(rows: number, forMs: number): Promise<number> {
    const feeds = { x: new Tensor('float32', new Float32Array(rows * WIDTHS[0]).fill(0.5), [rows, WIDTHS[0]]) };
    let [runs, runningMs] = [0, 0];
    for (const startedMs = performance.now(); performance.now() - startedMs < forMs; runs++) {
      const beganMs = performance.now();
      await this.session.run(feeds);
      runningMs += performance.now() - beganMs;
    }
    return (runningMs * 1_000) / (runs * rows);
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
