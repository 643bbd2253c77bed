import { readFileSync } from 'node:fs';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** Finds a user by name or number; a number without an entry in /etc/passwd is valid too. */
export function findUser(user: string): Account | undefined {
  for (const [name, , uid, gid, , home, shell] of readTable('/etc/passwd')) {
    if (name !== user && uid !== user) continue;
    return { name: name!, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' };
  }
  if (!/^\d+$/.test(user)) return undefined;
  return { name: user, uid: Number(user), gid: Number(user), home: '/', shell: '/bin/sh' };
}

/** Finds a group's number by name or number. */
export function findGroup(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  const found = readTable('/etc/group').find(([name]) => name === group);
  return found === undefined ? undefined : Number(found[2]);
}

/** Lists the groups of which the user is a member in /etc/group. */
export function groupsOf(user: string): readonly number[] {
  return readTable('/etc/group').flatMap(([, , gid, members]) =>
    members?.split(',').includes(user) ? [Number(gid)] : [],
  );
}

function readTable(path: string): readonly (readonly string[])[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
