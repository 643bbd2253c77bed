export * from './format-entry.ts';
export * from './line-buffer.ts';
export * from './log-reader.ts';
export * from './log-writer.ts';
export * from './record.ts';
