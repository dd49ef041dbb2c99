export * from './call';
export * from './channel';
export * from './client';
export * from './definition';
export * from './implement';
export * from './message-queue';
export * from './metadata';
export * from './server';
