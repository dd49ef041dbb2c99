import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const DRM = '/sys/class/drm';
const RENDER_NODE = /^renderD\d+$/;

/** GPUs that Linux has a render node for, as `10de:2330 (nvidia)`; a software device has none. */
export function renderNodes(folder = DRM): readonly string[] {
  const read = (file: string): string => readFileSync(file, 'utf8').trim();
  try {
    return readdirSync(folder)
      .filter((name) => RENDER_NODE.test(name))
      .map((name) => {
        const device = `${folder}/${name}/device`;
        const id = [read(`${device}/vendor`), read(`${device}/device`)].map((one) => one.replace(/^0x/, '')).join(':');
        const driver = /^DRIVER=(.*)$/m.exec(read(`${device}/uevent`))?.[1];
        return driver === undefined ? id : `${id} (${driver})`;
      });
  } catch {
    return [];
  }
}

/** What WebGPU runs on, as far as this machine tells: ONNX Runtime does not say which adapter it took. */
export function webgpuName(vulkanDriver: string | undefined, nodes: readonly string[]): string {
  if (vulkanDriver !== undefined)
    return `Vulkan driver ${vulkanDriver
      .split(':')
      .map((one) => basename(one))
      .join(', ')}`;
  return nodes.length === 0 ? 'WebGPU adapter' : `GPU ${nodes.join(', ')}`;
}
