/** A DNS server over ten instances of one service, or (`echo`) what answers each packet with itself. Prints its port. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { serveDns } from '../src/dns/index.ts';
import { systemClock as clock, silentLog as log, systemRandom as random } from '../src/lib/index.ts';
import { TestCatalog } from '../src/services/test-catalog.ts';

if (process.argv[2] === 'echo') {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  socket.on('message', (packet, from) => {
    packet[2] = packet[2]! | 0x80;
    socket.send(packet, from.port, from.address);
  });
  await once(socket, 'listening');
  console.log(socket.address().port);
} else {
  const catalog = new TestCatalog();
  catalog.nodes({ one: '127.0.0.1' });
  catalog.set(
    'web',
    Array.from({ length: 10 }, (_, index) => ({ address: `10.0.0.${index + 1}`, port: 8000 + index })),
  );
  const listen = [{ host: '127.0.0.1', port: 0 }];
  const server = await serveDns({ catalog, datacenter: 'dc1', listen, recursors: () => [], clock, random, log });
  console.log(server.addresses[0]!.port);
}
