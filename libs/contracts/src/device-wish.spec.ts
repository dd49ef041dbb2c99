import { deviceFit, type DeviceOffer } from './device-wish';

const CPU: DeviceOffer = { kind: 'cpu', provider: 'cpu' };
const CUDA: DeviceOffer = { kind: 'gpu', provider: 'cuda:1' };
const WEBGPU: DeviceOffer = { kind: 'gpu', provider: 'webgpu' };

describe('deviceFit', () => {
  it.each([
    ['', '', 'wished', 'wished', 'wished'],
    ['cpu', '', 'wished', 'unfit', 'unfit'],
    ['gpu', '', 'unfit', 'wished', 'wished'],
    ['gpu', 'cpu', 'fallback', 'wished', 'wished'],
    ['cuda', '', 'unfit', 'wished', 'unfit'],
    ['cuda', 'cpu', 'fallback', 'wished', 'unfit'],
    ['', 'cpu', 'wished', 'wished', 'wished'],
  ])('of the wish %j with the fallback %j: cpu %s, cuda:1 %s, webgpu %s', (device, fallback, ...expected) => {
    expect([CPU, CUDA, WEBGPU].map((offer) => deviceFit({ device, fallback }, offer))).toEqual(expected);
  });
});
