import { isDeviceFailure } from './device-failure';

describe('isDeviceFailure', () => {
  it.each([
    'CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; file=cuda_call.cc ; line=1',
    'CUDA error cudaErrorIllegalAddress:an illegal memory access was encountered',
    'CUDA failure 710: device-side assert triggered ; GPU=1',
    'CUDA failure 719: unspecified launch failure',
    'CUDA failure 702',
    'CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0',
    'CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED',
    'CUDA failure 214: uncorrectable ECC error encountered',
    'Non-zero status code returned while running Add node. WebGPU device lost (2): reset',
    'Device is lost.',
  ])('is one: %s', (message) => {
    expect(isDeviceFailure(message)).toBe(true);
  });

  it.each([
    'CUDA failure 2: out of memory ; GPU=0',
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED',
    'bfc_arena.cc: Failed to allocate memory for requested buffer of size 1000',
    'CUBLAS failure 15: CUBLAS_STATUS_NOT_SUPPORTED',
    'CUDA failure 9: invalid configuration argument',
    'indices element out of data bounds, idx=99 must be within the inclusive range [-3,2]',
    'Failed to get a WebGPU adapter: No supported adapters',
    '',
  ])('is none: %s', (message) => {
    expect(isDeviceFailure(message)).toBe(false);
  });
});
