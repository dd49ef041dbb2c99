import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Debian's chromium packages keep a software Vulkan device and the loader that belongs to it. */
const FOLDERS = ['/usr/lib/chromium', '/usr/lib/chromium-browser'];
const DRIVER = 'libvk_swiftshader.so';
const LOADER = 'libvulkan.so.1';

/** A Vulkan device that needs no GPU. */
export interface SoftwareVulkan {
  /** What processes need in their environment to find it. */
  readonly env: Readonly<Record<string, string>>;
  dispose(): void;
}

/** Makes the software Vulkan device usable; undefined where it is not installed. */
export function softwareVulkan(): SoftwareVulkan | undefined {
  const found = softwareVulkanFolder();
  if (found === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'bms-vulkan-'));
  const driver = join(folder, 'software.json');
  const ICD = { library_path: join(found, DRIVER), api_version: '1.3.0' };
  writeFileSync(driver, JSON.stringify({ file_format_version: '1.0.0', ICD }));
  // The loader alone: what else lies beside it is the browser's.
  symlinkSync(join(found, LOADER), join(folder, LOADER));
  return {
    env: { VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: folder },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function softwareVulkanFolder(): string | undefined {
  return FOLDERS.find((folder) => [DRIVER, LOADER].every((file) => existsSync(join(folder, file))));
}

/** `describe`, or a skip that says what is missing. */
export function describeWithVulkan(name: string, tests: () => void): void {
  if (softwareVulkanFolder() !== undefined) describe(name, tests);
  else describe.skip(`${name} (needs Debian's chromium-common: ${DRIVER} and ${LOADER})`, tests);
}
