export * from './fields';
export * from './load-settings';
export * from './service-fields';
export * from './setting-names';
export * from './settings-error';
export * from './settings-help';
