export * from './ejection';
export * from './ewma';
export * from './picker';
export * from './worker-load';
