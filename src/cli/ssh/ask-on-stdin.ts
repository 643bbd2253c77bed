import { fstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Matches OpenSSH's question about an unknown host key, and its repetition after an invalid word. */
export const HOST_KEY_QUESTION: RegExp = /continue connecting \(|Please type 'yes'/;

/**
 * OpenSSH asks at a terminal or runs SSH_ASKPASS. This script shows the question and reads one line of stdin, byte by
 * byte as the shell's `read` does, so that the rest is left for the command. It does not ask for passphrases or
 * passwords. `timeout` ends the wait for a line that never comes.
 */
const SCRIPT = `#!/bin/sh
case "$1" in *"continue connecting ("* | "Please type 'yes'"*) ;; *) exit 1 ;; esac
echo "$1" >&2
answer=$(timeout --foreground "$FLEETCTL_ANSWER_WITHIN" sh -c 'IFS= read -r line && printf %s "$line"') || exit 1
case "$answer" in [Yy][Ee][Ss]) echo yes ;; SHA256:*) printf '%s\\n' "$answer" ;; *) echo no ;; esac
`;

/** True when stdin is a pipe or a file, which may hold a script's answer. */
export function stdinMayAnswer(): boolean {
  try {
    const stdin = fstatSync(0);
    return stdin.isFIFO() || stdin.isFile() || stdin.isSocket();
  } catch {
    // stdin is closed.
    return false;
  }
}

/** Runs `work` with an environment in which ssh asks on stdin about an unknown key. */
export async function withAskOnStdin<T>(
  timeoutS: number,
  work: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'fleetctl-ask-'));
  try {
    const script = join(folder, 'ask');
    writeFileSync(script, SCRIPT, { mode: 0o700 });
    const env = { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: 'force', FLEETCTL_ANSWER_WITHIN: String(timeoutS) };
    return await work(env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
