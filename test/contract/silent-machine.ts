import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock as clock } from '../../src/lib/index.ts';
import { until } from '../../src/lib/test-until.ts';

/** Prints its port, then the request line of each request; begins a response to /stream, and agrees to upgrades. */
const BACKEND = `
const server = require('node:http').createServer((request, response) => {
  console.log(request.method + ' ' + request.url);
  if (request.url === '/stream') response.write('begun');
});
server.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Yes\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\nhi');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
`;

interface SilentMachine {
  readonly port: number;
  seen(line: string): boolean;
  /** No new connection gets an answer from now on, nor does any old one. */
  fallSilent(): Promise<void>;
}

/** A backend whose machine can fall silent: a stopped process whose queue of connections is full drops all further ones. */
export async function startMachine(test: TestContext): Promise<SilentMachine> {
  const child = spawn(process.execPath, ['-e', BACKEND], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => endChild(child));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until('it listens', () => output.includes('\n'));
  const port = Number(output.split('\n')[0]);
  return {
    port,
    seen: (line) => output.split('\n').includes(line),
    async fallSilent() {
      child.kill('SIGSTOP');
      await until('nothing is accepted', async () => {
        const socket = net.connect({ host: '127.0.0.1', port });
        test.after(() => socket.destroy());
        socket.on('error', () => {});
        return !(await Promise.race([once(socket, 'connect'), clock.sleep(1000)]));
      });
    },
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
