/** A setting is wrong; the message names it, its value and what is allowed. The process ends with {@link SETTINGS_EXIT_CODE}. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export const SETTINGS_EXIT_CODE = 2;
