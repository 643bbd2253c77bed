import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWaitingRequests } from './waiting-requests.ts';

/** An entry in HAProxy 2.6's format, without the lines that the parser ignores. */
const entry = (id: string, server: string, transaction: string, state = 'EST'): string =>
  `${id}: [28/Nov/2026:07:23:40.389638] id=1 proto=tcpv4 source=127.0.0.1:43016
  flags=0x84a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x559bc14f80b0, pend_pos=(nil) waiting=0 epoch=0
  frontend=http (id=2 mode=http), listener=? (id=1) addr=127.0.0.1:18999
  backend=route-web.:2a:2f (id=3 mode=http) addr=10.213.7.1:53742
  server=${server} (id=1) addr=10.213.7.2:18991
  txn=0x559bc1750f60 flags=0x1000000 ${transaction} req.f=0x0d rsp.f=0x00
  scf=0x559bc1886c00 flags=0x00000000 state=EST endp=CONN,0x559bc174fcd0,0x02804001 sub=1
  scb=0x559bc1750ea0 flags=0x00000011 state=${state} endp=CONN,0x559bc1751080,0x02800001 sub=1
  req=0x559bc15b8140 (f=0x48c40080 an=0x8000 pipe=0 tofwd=0 total=144)
`;

test('requests that wait and may be repeated are found, and no others', () => {
  const dump = [
    entry('0xa1', 's0', 'meth=1 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE'),
    entry('0xa2', 's0', 'meth=3 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE'),
    entry('0xa3', 's0', 'meth=1 status=200 req.st=MSG_DONE rsp.st=MSG_DATA'),
    entry('0xa4', 's0', 'meth=1 status=101 req.st=MSG_TUNNEL rsp.st=MSG_TUNNEL'),
    entry('0xa5', 's1', 'meth=1 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE'),
    entry('0xa6', 's0', 'meth=4 status=-1 req.st=MSG_DATA rsp.st=MSG_RPBEFORE'),
    entry('0xa7', 's0', 'meth=5 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE'),
    entry('0xa9', 's0', 'meth=1 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE', 'CON'),
    '0xa8: [28/Nov/2026:07:23:41.226990] id=5 proto=unix_stream source=unix:1\n  backend=<NONE> (id=-1 mode=-)\n\n',
  ].join('');
  assert.deepEqual(readWaitingRequests(`\n${dump}`, new Set(['route-web.:2a:2f/s0'])), ['0xa1', '0xa7']);
  assert.deepEqual(readWaitingRequests('', new Set(['route-web.:2a:2f/s0'])), []);
});
