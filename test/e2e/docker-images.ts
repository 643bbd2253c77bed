import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Stands for whatever the tutorials' images serve: one page which says which container answers. */
const APP = `#!/bin/sh
trap 'exit 0' TERM
mkdir -p /www && echo "Hello World from $(hostname)" > /www/index.html
httpd -f -p "$PORT" -h /www &
echo " * Running on http://0.0.0.0:$PORT/ (Press CTRL+C to quit)"
wait
`;

/** A shell as first process would ignore SIGTERM, and each stop take the ten seconds docker gives; it ends like this, too. */
const INIT = `#!/bin/sh
trap 'exit 137' TERM
"$@" &
wait $!
`;

const server = (port: number): readonly string[] => [`EXPOSE ${port}`, `ENV PORT=${port}`, 'CMD ["/app"]'];

/** What `docker import` has to be told beside the archive, by the names of the tutorials' images. */
export const IMAGES: Readonly<Record<string, readonly string[]>> = {
  'library/busybox': ['ENTRYPOINT ["/init"]', 'CMD ["sh"]'],
  'jlordiales/python-micro-service': server(5000),
  'mvanholsteijn/paas-monitor': server(1337),
};

/** Packs busybox under all its names, and the server; answers the archive. */
export function packBusybox(folder: string): string {
  return pack(path.join(folder, 'busybox.tar'), () => {});
}

/** The same, and this very Node with its libraries: stands for the image that a Dockerfile of a Node program begins with. */
export function packNode(folder: string): string {
  return pack(path.join(folder, 'node.tar'), (tree) => {
    copyFileSync(process.execPath, `${tree}/bin/node`);
    for (const [library] of output('ldd', process.execPath).matchAll(/(?<=\s)\/\S+/g)) {
      mkdirSync(path.dirname(tree + library), { recursive: true });
      copyFileSync(library, tree + library);
    }
  });
}

function pack(archive: string, add: (tree: string) => void): string {
  const tree = mkdtempSync(`${archive}-`);
  mkdirSync(`${tree}/bin`);
  mkdirSync(`${tree}/tmp`);
  copyFileSync(output('sh', '-c', 'command -v busybox').trim(), `${tree}/bin/busybox`);
  for (const applet of output('busybox', '--list').trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', `${tree}/bin/${applet}`);
  for (const [name, script] of Object.entries({ app: APP, init: INIT }))
    writeFileSync(path.join(tree, name), script, { mode: 0o755 });
  add(tree);
  output('tar', '-C', tree, '-cf', archive, '.');
  rmSync(tree, { recursive: true });
  return archive;
}

function output(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}: ${stderr}`);
  return stdout;
}
