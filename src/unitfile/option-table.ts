/** One option of [X-Fleet], as the reference shows it. */
interface FleetOption {
  readonly about: string;
  readonly example: string;
  /** Older spellings, which mean the same. */
  readonly legacy: readonly string[];
}

/** Every option of [X-Fleet]; `readNeeds` reads these and no others. */
export const FLEET_OPTIONS = {
  MachineID: {
    about: 'Only on that machine: its id, or a beginning of it that no other machine has.',
    example: '07faf7e1',
    legacy: ['X-ConditionMachineID', 'X-ConditionMachineBootID'],
  },
  MachineOf: {
    about: 'On the machine of that unit, and with it when it moves. Several units: all of them must be there.',
    example: 'web@%i.service',
    legacy: ['X-ConditionMachineOf'],
  },
  MachineMetadata: {
    about: 'Only on machines with that metadata: one of the values of each key.',
    example: 'region=eu',
    legacy: ['X-ConditionMachineMetadata'],
  },
  Conflicts: {
    about: 'Never beside a unit whose name matches, whichever of the two says so.',
    example: 'web@*.service',
    legacy: ['X-Conflicts'],
  },
  Global: {
    about: 'With true, on every machine that MachineMetadata= and Conflicts= allow.',
    example: 'true',
    legacy: [],
  },
  Replaces: {
    about: 'On the machine of the unit whose name matches, which moves elsewhere.',
    example: 'web@*.service',
    legacy: [],
  },
  OnPartition: {
    about:
      'With stop, the unit is stopped before a second copy can start, when its machine is cut off. With keep, the default, it runs on.',
    example: 'stop',
    legacy: [],
  },
  RunOnce: {
    about: 'With true, a service that has ended with success is not started again until somebody starts it.',
    example: 'true',
    legacy: [],
  },
} as const satisfies Record<string, FleetOption>;

export type FleetOptionName = keyof typeof FLEET_OPTIONS;

/** One option of [X-Service], as the reference shows it. */
interface ServiceOption {
  readonly about: string;
  readonly default: string;
}

/** Every option of [X-Service]; `readServices` reads these and no others. */
export const SERVICE_OPTIONS = {
  Name: {
    about: "The service's name: letters, digits and hyphens. A further Name= begins another service.",
    default: "the unit's name up to @ or the last dot (%p)",
  },
  Port: { about: "Its port, on this machine's address.", default: 'must be given' },
  Tags: { about: 'Words, separated by commas or blanks. The tag http makes the router serve NAME.*', default: 'none' },
  Meta: { about: 'key=value pairs, separated by blanks.', default: 'none' },
  Host: {
    about: 'Hosts that the router sends here: www.example.com, or *.example.com.',
    default: 'with the tag http, NAME.*',
  },
  Path: { about: 'Beginnings of paths that the router sends here, of these hosts.', default: '/' },
  Check: {
    about:
      'How the machine finds out whether the instance is healthy: http:/PATH, https:/PATH, tcp, grpc, grpc:SERVICE, script:COMMAND or ttl:TIME.',
    default: 'none: always passing',
  },
  Interval: { about: 'Time from one run of the check to the next.', default: '10s' },
  Timeout: { about: 'Time that one run of the check may take.', default: '5s' },
  Drain: {
    about: 'How long the unit runs on after the service has left the catalog, before it is stopped.',
    default: 'drain_time of fleetd, 2s',
  },
} as const satisfies Record<string, ServiceOption>;

export type ServiceOptionName = keyof typeof SERVICE_OPTIONS;
