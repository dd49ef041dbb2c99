/**
 * Errors after which nothing runs on the device in this process any more, whatever is asked of it: the CUDA context is
 * corrupt, or the WebGPU device is gone. Only a new process gets a new one.
 */
const FATAL: readonly RegExp[] = [
  /an illegal (memory access|instruction) was encountered/i,
  /device-side assert/i,
  /unspecified launch failure/i,
  /the launch timed out and was terminated/i,
  /misaligned address/i,
  /hardware stack error|invalid program counter|uncorrectable (NVLink|ECC) error/i,
  /fallen off the bus/i,
  // Numbers stand for the same where the text is missing: illegal access, timeout, assert, stack, instruction, address, launch.
  /\bCUDA (failure|error) (214|700|702|710|71[4-9])\b/i,
  /CU(BLAS|BLASLT|DNN|RAND|FFT)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR|NOT_INITIALIZED|LAUNCH_FAILURE)/i,
  /\bdevice (is|was) lost\b|\bdevice lost\b/i,
];

/** Errors of one call: the next one may well succeed. Memory that ran out is such, whatever else the message names. */
const OF_ONE_CALL = /out of memory|_ALLOC_FAILED|failed to allocate memory/i;

/** Whether what the runtime raised on a GPU is cured by a new process only. Pure. */
export function isDeviceFailure(message: string): boolean {
  return !OF_ONE_CALL.test(message) && FATAL.some((pattern) => pattern.test(message));
}
