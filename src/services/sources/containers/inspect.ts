import { assertModest, FlotillaError } from '../../../lib/index.ts';

/** What we read of Docker's answer about one container; Podman's is alike. Anything may be absent. */
export interface ContainerInspect {
  readonly Id?: string;
  /** With a slash before it. */
  readonly Name?: string;
  readonly State?: { readonly Running?: boolean };
  readonly Config?: {
    readonly Image?: string;
    readonly Env?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
  };
  readonly NetworkSettings?: {
    readonly IPAddress?: string;
    readonly Ports?: Readonly<Record<string, readonly PortBinding[] | null>> | null;
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string }>> | null;
  };
}

export interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

/** `Config` of a container, for what describes its services. */
export type ContainerConfig = NonNullable<ContainerInspect['Config']>;

/** Docker's text about one container. Throws FlotillaError `too-large` when reading it would hold the event loop. */
export function readInspect(text: string): ContainerInspect {
  try {
    assertModest(text);
  } catch {
    throw tooLarge();
  }
  return JSON.parse(text) as ContainerInspect;
}

export function tooLarge(): FlotillaError {
  return new FlotillaError('too-large', 'it has more ports, labels and variables than are read: give it fewer');
}
