// Makes UUIDs: ?n= of them, of ?version= 4 (random) or 7 (in the order of time).
'use strict';
const { randomBytes, randomUUID } = require('node:crypto');
const most = 1000;

function v7() {
  const b = randomBytes(16);
  b.writeUIntBE(Date.now(), 0, 6);
  b[6] = (b[6] & 0x0f) | 0x70;
  b[8] = (b[8] & 0x3f) | 0x80;
  return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

exports.handle = (event) => {
  const n = Number(event.query.n ?? 1);
  const make = { 4: randomUUID, 7: v7 }[event.query.version ?? 4];
  if (!Number.isInteger(n) || n < 1 || n > most || !make) return [400, {}, `n is 1 to ${most}, version 4 or 7\n`];
  return Array.from({ length: n }, () => make()).join('\n') + '\n';
};
