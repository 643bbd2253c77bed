/** A log line is a constant sentence and fields: greppable by sentence, filterable by field. */
export interface Log {
  debug(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  warn(sentence: string, fields?: LogFields): void;
  error(sentence: string, fields?: LogFields): void;
  /** A Log that adds these fields to every line. */
  with(fields: LogFields): Log;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** A Log that writes `LEVEL sentence key=value…` lines through `write`; lines below `level` are dropped. */
export function createLog(write: (line: string) => void, level: LogLevel = 'info', fields: LogFields = {}): Log {
  const at =
    (wanted: LogLevel) =>
    (sentence: string, more: LogFields = {}) => {
      if (LEVELS.indexOf(wanted) < LEVELS.indexOf(level)) return;
      write(`${wanted.toUpperCase()} ${sentence}${formatFields({ ...fields, ...more })}`);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (more) => createLog(write, level, { ...fields, ...more }),
  };
}

export const silentLog: Log = createLog(() => {});

function formatFields(fields: LogFields): string {
  let out = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    out += ` ${key}=${/[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text}`;
  }
  return out;
}
