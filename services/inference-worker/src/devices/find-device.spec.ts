import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeDevice } from '../servables/device';
import { findDevice } from './find-device';
import { renderNodes, webgpuName } from './gpu-hardware';

describe('findDevice', () => {
  it.each([
    [['cuda:0', 'webgpu'], true, 'cuda:0', 'cuda:0 runs models'],
    [['webgpu'], true, 'webgpu', 'webgpu runs models; no cuda:0'],
    [['webgpu'], false, 'cpu', 'no cuda:0; webgpu was not tried: this machine shows no GPU'],
    [[], true, 'cpu', 'no cuda:0; no webgpu'],
  ])('where %j run and a GPU is there: %s, takes %s', async (running, hasAdapter, expected, why) => {
    const found = await findDevice({
      trouble: async (device) =>
        running.includes(describeDevice(device)) ? undefined : `no ${describeDevice(device)}`,
      hasAdapter,
    });
    expect([describeDevice(found.device), found.why]).toEqual([expected, why]);
  });
});

describe('renderNodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-drm-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('names the GPUs of the machine', () => {
    const device = join(folder, 'renderD128', 'device');
    mkdirSync(device, { recursive: true });
    mkdirSync(join(folder, 'card0'));
    writeFileSync(join(device, 'vendor'), '0x10de\n');
    writeFileSync(join(device, 'device'), '0x2330\n');
    writeFileSync(join(device, 'uevent'), 'DRIVER=nvidia\nPCI_ID=10DE:2330\n');
    expect(renderNodes(folder)).toEqual(['10de:2330 (nvidia)']);
  });

  it('finds none where there is no such folder', () => {
    expect(renderNodes(join(folder, 'none'))).toEqual([]);
  });
});

describe('webgpuName', () => {
  it.each([
    ['/usr/share/vulkan/icd.d/one.json:/two.json', ['10de:1'], 'Vulkan driver one.json, two.json'],
    [undefined, ['10de:1 (nvidia)'], 'GPU 10de:1 (nvidia)'],
    [undefined, [], 'WebGPU adapter'],
  ])('with the driver %j and %j', (driver, nodes, name) => {
    expect(webgpuName(driver, nodes)).toBe(name);
  });
});
