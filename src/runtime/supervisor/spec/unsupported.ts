import { rowOf } from '../../../lib/index.ts';
import { parseBoolean } from './values.ts';

/**
 * Directives that change what a unit does and that only systemd can carry out. A unit that sets one of them to anything
 * but its default is refused: without it, the unit would be another one.
 */
const NEEDS_SYSTEMD: Readonly<Record<string, string>> = {
  Unit: `Upholds PropagatesReloadTo PropagateReloadTo ReloadPropagatedFrom PropagateReloadFrom PropagatesStopTo
    StopPropagatedFrom JoinsNamespaceOf RequiresMountsFor WantsMountsFor StopWhenUnneeded RefuseManualStop OnSuccessJobMode
    OnFailureJobMode OnFailureIsolate JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument StartLimitAction
    FailureAction SuccessAction FailureActionExitStatus SuccessActionExitStatus RebootArgument SurviveFinalKillSignal`,
  Service: `ExecCondition TimeoutStartFailureMode TimeoutStopFailureMode RuntimeRandomizedExtraSec
    WatchdogSec StartLimitAction FailureAction RebootArgument ExitType PermissionsStartOnly RootDirectoryStartOnly
    NonBlocking BusName FileDescriptorStoreMax FileDescriptorStorePreserve Sockets USBFunctionDescriptors
    USBFunctionStrings OOMPolicy OpenFile ReloadSignal RestartMode RestartSteps RestartMaxDelaySec RootDirectory
    RootImage RootImageOptions RootHash RootHashSignature RootVerity RootEphemeral ExtensionDirectories ExtensionImages
    MountImages IOSchedulingClass IOSchedulingPriority CPUSchedulingPolicy CPUSchedulingPriority
    CPUSchedulingResetOnFork CPUAffinity NUMAPolicy NUMAMask DynamicUser RemoveIPC SetLoginEnvironment StandardInput
    StandardInputText StandardInputData LogLevelMax LogNamespace LogFilterPatterns SecureBits CapabilityBoundingSet
    AmbientCapabilities TimerSlackNSec KeyringMode ProtectProc ProcSubset SystemCallFilter SystemCallArchitectures
    SystemCallErrorNumber SystemCallLog MemoryDenyWriteExecute MemoryKSM RestrictNamespaces RestrictRealtime
    RestrictSUIDSGID RestrictAddressFamilies LockPersonality RestrictFileSystems LimitSIGPENDING LimitMSGQUEUE LimitNICE
    LimitRTTIME ReadWriteDirectories ReadOnlyDirectories InaccessibleDirectories ReadWritePaths ReadOnlyPaths
    InaccessiblePaths ExecPaths NoExecPaths ExecSearchPath BindPaths BindReadOnlyPaths TemporaryFileSystem PrivateTmp
    PrivateDevices PrivatePIDs PrivateBPF ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectClock
    ProtectControlGroups NetworkNamespacePath IPCNamespacePath PrivateNetwork PrivateUsers PrivateMounts PrivateIPC
    ProtectSystem ProtectHome MountFlags MountAPIVFS BindLogSockets Personality RuntimeDirectory RuntimeDirectoryMode
    RuntimeDirectoryPreserve StateDirectory StateDirectoryMode StateDirectoryQuota CacheDirectory CacheDirectoryMode
    LogsDirectory LogsDirectoryMode ConfigurationDirectory ConfigurationDirectoryMode SetCredential
    SetCredentialEncrypted LoadCredential LoadCredentialEncrypted ImportCredential PAMName SELinuxContext
    AppArmorProfile SmackProcessLabel ProtectHostname AllowedCPUs StartupAllowedCPUs AllowedMemoryNodes
    StartupAllowedMemoryNodes CPUWeight StartupCPUWeight CPUShares StartupCPUShares CPUQuota CPUQuotaPeriodSec MemoryMin
    DefaultMemoryMin DefaultMemoryLow DefaultStartupMemoryLow StartupMemoryLow MemoryLow MemoryHigh StartupMemoryHigh
    MemoryMax StartupMemoryMax MemorySwapMax StartupMemorySwapMax MemoryZSwapMax StartupMemoryZSwapMax
    MemoryZSwapWriteback MemoryLimit DeviceAllow DevicePolicy IOWeight StartupIOWeight IODeviceWeight IOReadBandwidthMax
    IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax IODeviceLatencyTargetSec BlockIOWeight StartupBlockIOWeight
    BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth TasksMax Delegate DelegateSubgroup DisableControllers
    IPAddressAllow IPAddressDeny IPIngressFilterPath IPEgressFilterPath SocketBindAllow SocketBindDeny
    RestrictNetworkInterfaces NFTSet BPFProgram WatchdogSignal`,
};

/**
 * Directives that can be left out without changing what the unit does: accounting, hints, terminals, the journal's
 * metadata, clean-up after the unit is forgotten.
 */
const HARMLESS: Readonly<Record<string, string>> = {
  Unit: `SourcePath AllowIsolate IgnoreOnIsolate CollectMode`,
  Service: `Slice CPUAccounting MemoryAccounting TasksAccounting IOAccounting BlockIOAccounting IPAccounting
    TTYPath TTYReset TTYVHangup TTYVTDisallocate TTYRows TTYColumns SyslogFacility SyslogLevel SyslogLevelPrefix
    LogRateLimitIntervalSec LogRateLimitBurst LogExtraFields UtmpIdentifier UtmpMode CoredumpFilter TimeoutAbortSec TimeoutCleanSec
    ManagedOOMSwap ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit ManagedOOMPreference MemoryPressureWatch
    MemoryPressureThresholdSec CoredumpReceive NotifyAccess`,
};

const NEEDS = setsOf(NEEDS_SYSTEMD);
const IGNORED = setsOf(HARMLESS);

function setsOf(table: Readonly<Record<string, string>>): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(Object.entries(table).map(([section, names]) => [section, new Set(names.trim().split(/\s+/))]));
}

/** Decides about a directive without code in the supervisor. */
export function judgeDirective(section: string, name: string, value: string): 'needs-systemd' | 'harmless' | 'unknown' {
  if (name.startsWith('X-') || IGNORED.get(section)?.has(name)) return 'harmless';
  if (!isKnown(section, name)) return 'unknown';
  return isDefault(name, value) ? 'harmless' : 'needs-systemd';
}

function isKnown(section: string, name: string): boolean {
  // By pattern, since each release of systemd adds conditions and assertions.
  return (section === 'Unit' && /^(Condition|Assert)[A-Z]/.test(name)) || NEEDS.get(section)?.has(name) === true;
}

const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  ExitType: ['main'],
  OOMPolicy: ['stop', 'continue'],
  TimeoutStartFailureMode: ['terminate'],
  TimeoutStopFailureMode: ['terminate'],
  StandardInput: ['null'],
  OnFailureJobMode: ['replace'],
  OnSuccessJobMode: ['fail'],
  RestartMode: ['normal'],
  DevicePolicy: ['auto'],
  KeyringMode: ['private', 'shared', 'inherit'],
  CPUSchedulingPolicy: ['other'],
  ProtectProc: ['default'],
  ProcSubset: ['all'],
  WatchdogSec: ['0'],
  FileDescriptorStoreMax: ['0'],
};
const TAKE_BOOLEANS =
  /^(Private|Protect|Restrict|Lock|Memory(Deny|KSM)|DynamicUser|RemoveIPC|NonBlocking|StopWhen|RefuseManual|CPUSchedulingReset|RootDirectoryStart|PermissionsStart|MountAPIVFS|Delegate$|RootEphemeral)/;

/** True when the value equals the behaviour without the directive. */
function isDefault(name: string, value: string): boolean {
  if (value === '') return true;
  if (rowOf(DEFAULTS, name)?.includes(value)) return true;
  if (/(Action)$/.test(name)) return value === 'none';
  if (/(Max|High|Limit|MaxSec|Sec)$/.test(name)) return value === 'infinity';
  // A unit's control group is always delegated: nothing else writes to it.
  if (name === 'Delegate') return true;
  return TAKE_BOOLEANS.test(name) && parseBoolean(value) === false;
}
