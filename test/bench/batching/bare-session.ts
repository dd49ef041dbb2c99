import { InferenceSession, Tensor } from 'onnxruntime-node';
import { percentile } from '../percentiles';
import { WIDTHS, type BenchModel } from './bench-model';

/** ONNX Runtime in a bare loop on this thread: what a worker is measured against. */
export class BareSession {
  private constructor(private readonly session: InferenceSession) {}

  static async of({ file }: BenchModel): Promise<BareSession> {
    const extra = { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } };
    const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', extra } as const;
    return new BareSession(await InferenceSession.create(file, options));
  }

  /** Microseconds a row, in runs of so many rows: the median of the runs. */
  async microsPerRow(rows: number, forMs: number): Promise<number> {
    const feeds = { x: new Tensor('float32', new Float32Array(rows * WIDTHS[0]).fill(0.5), [rows, WIDTHS[0]]) };
    const runsMs: number[] = [];
    for (const endMs = performance.now() + forMs; performance.now() < endMs; ) {
      const startedMs = performance.now();
      await this.session.run(feeds);
      runsMs.push(performance.now() - startedMs);
    }
    return (percentile(runsMs, 0.5) * 1_000) / rows;
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
