import { type ErrorCode, FlotillaError, isFlotillaError, messageOf, rowOf } from '../../lib/index.ts';

const SYSTEMD = 'org.freedesktop.systemd1.';
const BUS = 'org.freedesktop.DBus.Error.';

/** Our error code for each of systemd's errors; any other error of systemd is a refusal. */
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

/** Errors that mean that the bus or systemd was not there; the call may be repeated when it is. */
const ABSENT: ReadonlySet<string> = new Set(
  ['NoReply', 'ServiceUnknown', 'NameHasNoOwner', 'Disconnected', 'LimitsExceeded', 'Timeout', 'TimedOut'].map(
    (name) => BUS + name,
  ),
);

/** Returns the D-Bus name of an error, '' when it did not come from the bus. */
export function busErrorName(error: unknown): string {
  return (error as { dbusName?: string } | undefined)?.dbusName ?? '';
}

/** Converts a failed call to a FlotillaError. */
export function toFlotillaError(error: unknown, facts: Readonly<Record<string, unknown>>): FlotillaError {
  if (isFlotillaError(error)) return error;
  const name = busErrorName(error);
  if (name === '' || ABSENT.has(name) || name.startsWith(`${BUS}Spawn`))
    return new FlotillaError('unavailable', `systemd does not answer: ${messageOf(error)}`, facts, error);
  return new FlotillaError(rowOf(CODES, name) ?? 'invalid', messageOf(error), facts, error);
}
