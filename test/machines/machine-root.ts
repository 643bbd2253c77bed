import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { HUB } from './network.ts';
import { ok } from './run.ts';

export interface MachineRootOptions {
  readonly directory: string;
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly address: string;
  /** Lets in by ssh, as root, whoever has its other half. */
  readonly publicKey: string;
  /** Files in addition, by path; those below etc/systemd/system are units. */
  readonly files: Readonly<Record<string, string>>;
  /** Units that are started at boot. */
  readonly wanted: readonly string[];
  /** With systemd-logind, by which a shutdown can be held back. */
  readonly logind: boolean;
}

/** Directories and files of /etc without which programs of the host's /usr do not run. */
const COPIED: readonly string[] = [
  ...['pam.d', 'security', 'alternatives', 'dbus-1', 'ld.so.conf.d', 'nsswitch.conf', 'login.defs'],
  ...['ld.so.cache', 'ld.so.conf', 'protocols', 'services', 'passwd', 'group', 'shadow'],
];
const EMPTY: readonly string[] = [
  ...['usr', 'opt/flotilla', 'opt/bin', 'root/.ssh', 'run', 'proc', 'sys', 'dev', 'tmp', 'mnt', 'etc/fleet', 'etc/ssh'],
  ...['var/log/journal', 'var/lib/systemd', 'var/tmp', 'var/cache', 'var/spool', 'etc/systemd/system'],
];

/** What a machine without hardware, logins and disks has no use for, and what would make its boot slow. */
const MASKED: readonly string[] = [
  ...['systemd-logind', 'console-getty', 'systemd-firstboot', 'systemd-sysusers', 'systemd-update-utmp'],
  ...['systemd-update-utmp-runlevel', 'systemd-machine-id-commit', 'systemd-tmpfiles-setup', 'systemd-random-seed'],
  ...['systemd-tmpfiles-setup-dev', 'systemd-binfmt', 'systemd-repart', 'systemd-pcrphase', 'systemd-sysctl'],
  ...['systemd-pcrphase-sysinit', 'systemd-modules-load', 'kmod-static-nodes', 'systemd-journal-flush'],
  ...['systemd-user-sessions', 'systemd-remount-fs', 'ldconfig', 'systemd-journal-catalog-update'],
  ...['systemd-update-done', 'packagekit-offline-update', 'systemd-timesyncd'],
].map((name) => `${name}.service`);
const MASKED_TOO: readonly string[] = [
  ...['getty.target', 'remote-fs.target', 'cryptsetup.target', 'integritysetup.target', 'veritysetup.target'],
  ...['systemd-ask-password-console.path', 'systemd-ask-password-wall.path', 'systemd-tmpfiles-clean.timer'],
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-fs-fuse-connections.mount', 'sys-kernel-config.mount'],
  ...['sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'proc-sys-fs-binfmt_misc.automount', 'tmp.mount'],
  ...['systemd-initctl.socket', 'systemd-journald-audit.socket'],
];

const LOGIND = 'systemd-logind.service';

const JOURNAL_DIRECTORY = '/run/log/journal /run/log/journal/%m';

/** Writes a minimal Debian over the host's /usr, with its own id, address, journal and sshd. */
export async function writeMachineRoot(options: MachineRootOptions): Promise<void> {
  const { directory, name, machineId, address, publicKey, wanted } = options;
  for (const at of EMPTY) mkdirSync(path.join(directory, at), { recursive: true });
  for (const at of COPIED) copyFromHost(directory, at);
  for (const at of ['bin', 'sbin', 'lib', 'lib64', 'lib32'])
    if (existsSync(`/usr/${at}`)) symlinkSync(`usr/${at}`, path.join(directory, at));
  symlinkSync('/run', path.join(directory, 'var/run'));
  symlinkSync('/run/lock', path.join(directory, 'var/lock'));
  symlinkSync('/proc/self/mounts', path.join(directory, 'etc/mtab'));
  const files: Readonly<Record<string, string>> = {
    'etc/os-release': readFileSync('/etc/os-release', 'utf8'),
    'etc/machine-id': `${machineId}\n`,
    'etc/hostname': `${name}\n`,
    'etc/hosts': `127.0.0.1 localhost\n${address} ${name}\n`,
    'etc/.updated': '',
    'var/.updated': '',
    'root/.ssh/authorized_keys': publicKey,
    'etc/ssh/sshd_config': SSHD_CONFIG,
    'etc/systemd/journald.conf.d/machine.conf':
      '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToSyslog=no\nForwardToWall=no\n',
    'etc/systemd/system.conf.d/machine.conf': '[Manager]\nDefaultTasksMax=infinity\n',
    'etc/systemd/system/systemd-journald.service.d/machine.conf': `[Service]\nExecStartPre=-/usr/bin/install -d -g systemd-journal -m 2755 ${JOURNAL_DIRECTORY}\n`,
    'etc/systemd/system/machine-net.service': netService(address),
    'etc/systemd/system/machine-sshd.service': SSHD_SERVICE,
    'etc/systemd/system/machine-up.service': UP_SERVICE,
    // Only that it is there counts: nspawn looks for it, before /usr is mounted, to see whether this systemd knows the
    // unified hierarchy of control groups. Without, it would not be told when the last process of a unit has ended.
    [`usr/lib/systemd/libsystemd-shared-${await systemdVersion()}.so`]: '',
    ...options.files,
  };
  for (const [at, text] of Object.entries(files)) write(directory, at, text);
  for (const unit of [...MASKED, ...MASKED_TOO].filter((name) => !options.logind || name !== LOGIND))
    symlinkSync('/dev/null', path.join(directory, 'etc/systemd/system', unit));
  symlinkSync('/usr/lib/systemd/system/multi-user.target', path.join(directory, 'etc/systemd/system/default.target'));
  const wants = path.join(directory, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants);
  for (const unit of ['machine-sshd.service', 'machine-up.service', ...wanted])
    symlinkSync(`../${unit}`, path.join(wants, unit));
  await ok('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', `${directory}/etc/ssh/host_key`]);
}

async function systemdVersion(): Promise<string> {
  return /^systemd (\d+)/.exec(await ok('systemctl', ['--version']))?.[1] ?? '';
}

function copyFromHost(directory: string, at: string): void {
  const from = path.join('/etc', at);
  if (existsSync(from)) cpSync(from, path.join(directory, 'etc', at), { recursive: true, verbatimSymlinks: true });
}

function write(directory: string, at: string, text: string): void {
  const file = path.join(directory, at);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
}

const SSHD_CONFIG = `HostKey /etc/ssh/host_key
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin yes
StrictModes no
SetEnv PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
MaxStartups 200
MaxSessions 100
StreamLocalBindUnlink yes
`;

const SSHD_SERVICE = `[Unit]
After=machine-net.service
[Service]
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
ExecStart=/usr/sbin/sshd -D -e -f /etc/ssh/sshd_config
KillMode=process
`;

/** Tells those outside that the machine has booted. */
const UP_SERVICE = `[Unit]
Wants=machine-net.service
After=machine-net.service dbus.socket
[Service]
Type=oneshot
ExecStart=/usr/bin/touch /run/machine-up
`;

function netService(address: string): string {
  const commands = `ip link set lo up; ip link set host0 up; ip addr add ${address}/16 dev host0; ip route add default via ${HUB}`;
  return `[Unit]
DefaultDependencies=no
Before=network.target sockets.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c '${commands}'
`;
}
