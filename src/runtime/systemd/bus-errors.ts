import { type ErrorCode, FlotillaError, isFlotillaError, messageOf, rowOf } from '../../lib/index.ts';

const SYSTEMD = 'org.freedesktop.systemd1.';
const BUS = 'org.freedesktop.DBus.Error.';

/** What systemd's own errors mean to whoever asked; any other word of systemd's is a refusal as well. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  [`${SYSTEMD}NoSuchUnit`]: 'not-found',
  [`${SYSTEMD}ShuttingDown`]: 'unavailable',
  [`${SYSTEMD}UnitMasked`]: 'conflict',
  [`${SYSTEMD}OnlyByDependency`]: 'conflict',
  [`${SYSTEMD}UnitExists`]: 'conflict',
  [`${SYSTEMD}TransactionIsDestructive`]: 'conflict',
  [`${SYSTEMD}TransactionJobsConflicting`]: 'conflict',
  [`${SYSTEMD}TransactionOrderIsCyclic`]: 'conflict',
  [`${BUS}AccessDenied`]: 'forbidden',
  [`${BUS}InteractiveAuthorizationRequired`]: 'forbidden',
};

/** The bus or systemd was not there to answer: the same call may be made again when it is. */
const ABSENT: ReadonlySet<string> = new Set(
  ['NoReply', 'ServiceUnknown', 'NameHasNoOwner', 'Disconnected', 'LimitsExceeded', 'Timeout', 'TimedOut'].map(
    (name) => BUS + name,
  ),
);

/** The name D-Bus gives to what went wrong, '' when it is no answer of the bus. */
export function busErrorName(error: unknown): string {
  return (error as { dbusName?: string } | undefined)?.dbusName ?? '';
}

/** Whatever a call was answered with, as an error for those who asked this runtime. */
export function toFlotillaError(error: unknown, facts: Readonly<Record<string, unknown>>): FlotillaError {
  if (isFlotillaError(error)) return error;
  const name = busErrorName(error);
  if (name === '' || ABSENT.has(name) || name.startsWith(`${BUS}Spawn`))
    return new FlotillaError('unavailable', `systemd does not answer: ${messageOf(error)}`, facts, error);
  return new FlotillaError(rowOf(CODES, name) ?? 'invalid', messageOf(error), facts, error);
}
