import { assertModest, FlotillaError } from '../../../lib/index.ts';

/** The fields read of Docker's or Podman's response about one container. Any may be absent. */
export interface ContainerInspect {
  readonly Id?: string;
  /** The name, with a slash before it. */
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

/** The fields of a container's `Config` that describe its services. */
export type ContainerConfig = NonNullable<ContainerInspect['Config']>;

/** Parses Docker's text about one container. Throws FlotillaError `too-large` when that would hold the event loop. */
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
