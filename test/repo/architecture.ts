/** The table of folders in ARCHITECTURE.md, read as the rules that it states. */

export interface Permission {
  /** A folder of src, or a file of one without `.ts`; `*` stands for any top folder. */
  readonly target: string;
  /** `import type` only. */
  readonly typesOnly: boolean;
  /** `await import()` only. */
  readonly lazily: boolean;
}

export interface FolderRow {
  /** Relative to src, without the last `/`: `runtime/supervisor`. */
  readonly folder: string;
  readonly allowed: readonly Permission[];
  /** The top folder that `anything but …` leaves out. */
  readonly denied: readonly string[];
}

const ANYTHING_BUT = 'anything but ';

/** The rows of every table whose last column is headed `may import …`. */
export function folderRows(architecture: string): FolderRow[] {
  const lines = architecture.split('\n');
  const rows: FolderRow[] = [];
  let inside = false;
  for (const line of lines) {
    const cells = line.startsWith('|') ? line.split('|').slice(1, -1) : [];
    if (cells.length === 0) inside = false;
    else if (cells.at(-1)!.trim().startsWith('may import')) inside = true;
    else if (inside && !/^\| -/.test(line)) rows.push(rowOf(cells));
  }
  return rows;
}

function rowOf(cells: readonly string[]): FolderRow {
  const name = /^ `([\w/-]+)\/` $/.exec(cells[0]!)?.[1];
  if (name === undefined) throw new Error(`ARCHITECTURE.md: ${cells[0]} is not a folder like \`router/\``);
  const items = cells.at(-1)!.trim().split(/, /).filter(Boolean);
  const denied = items.flatMap((item) => (item.startsWith(ANYTHING_BUT) ? [item.slice(ANYTHING_BUT.length)] : []));
  return { folder: name, allowed: items.map(permissionOf), denied };
}

function permissionOf(item: string): Permission {
  if (item.startsWith(ANYTHING_BUT)) return { target: '*', typesOnly: false, lazily: false };
  const [, target, how] = /^([a-z/-]+)(?: \((types|lazily)\))?$/.exec(item) ?? [];
  if (target === undefined) throw new Error(`ARCHITECTURE.md: "${item}" is not a folder of src`);
  return { target, typesOnly: how === 'types', lazily: how === 'lazily' };
}

/** What differs between the rows and the folders that exist, in words. */
export function rowProblems(rows: readonly FolderRow[], folders: readonly string[]): string[] {
  const named = rows.map(({ folder }) => folder);
  return [
    ...named.filter((name) => !folders.includes(name)).map((name) => `ARCHITECTURE.md names ${name}/, which src lacks`),
    ...folders.filter((name) => !named.includes(name)).map((name) => `src/${name}/ has no row in ARCHITECTURE.md`),
    ...named.filter((name, at) => named.indexOf(name) !== at).map((name) => `ARCHITECTURE.md names ${name}/ twice`),
  ];
}

export interface Import {
  /** Path of the importing file, relative to the clone. */
  readonly from: string;
  /** Path of the imported file, relative to the clone. */
  readonly to: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

const topOf = (place: string): string => place.split('/')[0]!;
/** `src/store/grpc/frame.ts` → `store/grpc`. */
const folderOf = (file: string): string => file.split('/').slice(1, -1).join('/');

/** Why the table does not allow an import between two files of src, in words; undefined when it does. */
export function wallProblem(item: Import, rows: readonly FolderRow[], doors: ReadonlySet<string>): string | undefined {
  const [here, there] = [folderOf(item.from), folderOf(item.to)];
  if (here === there || there === 'lib') return doorProblem(item, here, there, doors, []);
  const reach = permissionsOf(here, rows).filter(
    ({ typesOnly, lazily }) => (!typesOnly || item.typeOnly) && (!lazily || item.lazy),
  );
  const exact = reach.map(({ target }) => target);
  const denied = rows.find(({ folder }) => folder === topOf(here))?.denied ?? [];
  const any = exact.includes('*') && !there.includes('/') && !denied.includes(there);
  const file = item.to.replace(/^src\/|(\/index)?\.ts$/g, '');
  if (!any && !exact.includes(there) && !exact.includes(file)) {
    const listed = permissionsOf(here, rows).map(({ target }) => target);
    return `${here} may import ${[...listed, 'lib'].join(', ')} only`;
  }
  return doorProblem(item, here, there, doors, exact);
}

/** A subfolder may import what its own row names, and of other top folders what the row of its own top folder names. */
function permissionsOf(here: string, rows: readonly FolderRow[]): Permission[] {
  const top = topOf(here);
  const own = rows.find(({ folder }) => folder === here)?.allowed ?? [];
  if (here === top) return [...own];
  const inherited = rows.find(({ folder }) => folder === top)?.allowed ?? [];
  return [...own, ...inherited.filter(({ target }) => topOf(target) !== top)];
}

function doorProblem(
  item: Import,
  here: string,
  there: string,
  doors: ReadonlySet<string>,
  exact: readonly string[],
): string | undefined {
  const door = `src/${there}/index.ts`;
  // What is inside a folder reaches the files above it; everybody else comes by the door.
  if (here === there || here.startsWith(`${there}/`) || item.to === door || !doors.has(door)) return undefined;
  return exact.includes(item.to.replace(/^src\/|\.ts$/g, '')) ? undefined : `the door of ${there} is ${door}`;
}
