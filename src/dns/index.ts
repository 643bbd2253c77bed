export { type DnsOptions, type DnsServer, serveDns } from './dns-server.ts';
export { recursorsOf } from './resolv-conf.ts';
