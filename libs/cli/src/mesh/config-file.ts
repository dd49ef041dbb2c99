import type { SettingsSources } from '@bms/settings';

/** The settings file that is named on the command line or in the environment, to be handed on. */
export function configFile({ argv, env }: SettingsSources): string | undefined {
  const at = argv.findIndex((word) => word === '--config' || word.startsWith('--config='));
  if (at < 0) return env['BMS_CONFIG'];
  const word = argv[at] ?? '';
  return word.includes('=') ? word.slice(word.indexOf('=') + 1) : argv[at + 1];
}
