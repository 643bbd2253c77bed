import { globSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** The clone under test. */
export const root: string = path.resolve(import.meta.dirname, '../..');

export interface SourceFile {
  /** Relative to the clone, with `/`. */
  readonly file: string;
  readonly text: string;
}

const LEFT_OUT = new Set(['node_modules', 'dist', '.git', 'coverage']);

/** The files of the project that match, dependencies and build left out. */
export function sources(...patterns: string[]): SourceFile[] {
  return globSync(patterns, { cwd: root, exclude: (name) => LEFT_OUT.has(path.basename(name)) })
    .filter((file) => statSync(path.join(root, file)).isFile())
    .sort()
    .map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') }));
}

/** The code that runs for users: neither tests nor what only tests use (`test-*.ts`). */
export function productSources(): SourceFile[] {
  return sources('src/**/*.ts').filter(({ file }) => !/\.test\.ts$|\/test-[^/]*$/.test(file));
}

/** The code alone: comments blanked out, line numbers kept. Good enough for formatted TypeScript. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1');
}

/** `file:line` of every match of `pattern` in the code of `source`. */
export function places(source: SourceFile, pattern: RegExp): string[] {
  return withoutComments(source.text)
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${source.file}:${index + 1}: ${line.trim()}`] : []));
}
