import { arch, availableParallelism, cpus, platform, release } from 'node:os';

/** What a result was measured on. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${platform()} ${release()} ${arch()}, ${availableParallelism()} × ${model}, Node.js ${process.versions.node}`;
}
