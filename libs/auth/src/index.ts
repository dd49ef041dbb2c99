export * from './service-token';
export * from './upload-ticket';
