export * from './download-ticket';
export * from './service-token';
export * from './upload-ticket';
