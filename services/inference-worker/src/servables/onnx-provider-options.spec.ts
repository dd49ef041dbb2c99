import { needsCpu, providerEntry, sessionPart } from './onnx-provider-options';

describe('sessionPart', () => {
  it('gives webgpu its options as onnxruntime-node types them', () => {
    const options = { preferredLayout: 'NHWC', enableRobustness: '1', forceCpuNodeNames: 'a\nb' };
    const part = sessionPart('webgpu', options);
    expect(providerEntry('webgpu', undefined, part)).toEqual({
      name: 'webgpu',
      preferredLayout: 'NHWC',
      enableRobustness: true,
      forceCpuNodeNames: ['a', 'b'],
    });
    expect(part.extra).toEqual({});
  });

  it('lets the runtime refuse what is no boolean', () => {
    expect(sessionPart('webgpu', { enableRobustness: 'perhaps' }).provider).toEqual({ enableRobustness: 'perhaps' });
  });

  it("gives cuda its device, and its options through the session's config", () => {
    const part = sessionPart('cuda', { fpa_intb_gemm: '1' });
    expect(providerEntry('cuda', 1, part)).toEqual({ name: 'cuda', deviceId: 1 });
    expect(part.extra).toEqual({ ep: { cuda: { fpa_intb_gemm: '1' } } });
  });

  it.each([
    ['cuda', 'cudnn_conv_algo_search', 'hands it only qmoe_row_tile_size, fpa_intb_gemm, fpa_intb_profile_m'],
    ['cpu', 'use_arena', 'the option "use_arena" cannot be given to cpu: onnxruntime-node hands it no options'],
  ])('refuses for %s the option %s, which would be lost', (provider, name, sentence) => {
    expect(() => sessionPart(provider, { [name]: '1' })).toThrow(sentence);
  });

  it('does not let an option choose another provider', () => {
    expect(providerEntry('webgpu', undefined, sessionPart('webgpu', { name: 'cpu' }))).toEqual({ name: 'webgpu' });
  });
});

describe('needsCpu', () => {
  it.each([
    [
      true,
      'This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.',
    ],
    [false, 'Protobuf parsing failed.'],
    [false, 'CUDA failure 2: out of memory'],
  ])('says %s of %j', (expected, message) => {
    expect(needsCpu(message)).toBe(expected);
  });
});
