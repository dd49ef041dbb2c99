import { execFile } from 'node:child_process';

/** A look at a GPU, with all that its processes do on it. */
export interface GpuReading {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Of the last moments, 0 to 100; -1: nobody can say. */
  readonly busyPercent: number;
}

const MIB = 2 ** 20;
const FIELDS = 'name,memory.total,memory.free,utilization.gpu';
/** A driver in trouble answers late or never. */
const ANSWERS_WITHIN_MS = 5_000;
const LINE = /^(?<name>.+?),\s*(?<total>[^,]*),\s*(?<free>[^,]*),\s*(?<busy>[^,]*)$/;

/** Reads nvidia-smi's line for one GPU; undefined where it does not tell the memory. A name may hold commas. */
export function parseGpuReading(text: string): GpuReading | undefined {
  const [line = ''] = text.split('\n').filter((one) => one.trim() !== '');
  const { name = '', total, free, busy } = LINE.exec(line.trim())?.groups ?? {};
  const [totalMib, freeMib, busyPercent] = [total, free, busy].map(wholeNumber);
  if (totalMib === undefined || freeMib === undefined || totalMib === 0 || freeMib > totalMib) return undefined;
  return {
    name: name.trim(),
    totalBytes: totalMib * MIB,
    freeBytes: freeMib * MIB,
    busyPercent: busyPercent === undefined ? -1 : Math.min(100, busyPercent),
  };
}

/** undefined for "[N/A]", "[Not Supported]" and the like. */
function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}

/**
 * How nvidia-smi names the GPU that is `cuda:index` to this process.
 * @param visible CUDA_VISIBLE_DEVICES, which renumbers the GPUs and may name them by their UUIDs
 */
export function gpuSelector(index: number, visible: string | undefined): string {
  if (visible === undefined) return String(index);
  return visible.split(',')[index]?.trim() || String(index);
}

/**
 * Asks nvidia-smi for one GPU. undefined where it is not there, fails, is late or does not tell the memory.
 * @param program found on the PATH unless it is a path
 */
export async function readGpu(
  selector: string,
  signal: AbortSignal,
  program = 'nvidia-smi',
  withinMs = ANSWERS_WITHIN_MS,
): Promise<GpuReading | undefined> {
  const flags = [`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits', '-i', selector];
  return new Promise((resolve) => {
    execFile(program, flags, { signal, timeout: withinMs, killSignal: 'SIGKILL' }, (error, stdout) =>
      resolve(error === null ? parseGpuReading(stdout) : undefined),
    );
  });
}
