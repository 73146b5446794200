// Answers after a while: the header X-Sleep or ?for=, such as 1500ms, 2s or 3.
'use strict';
const { setTimeout: wait } = require('node:timers/promises');
const longest = 60_000;

function milliseconds(text) {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  if (!m) return NaN;
  return Number(m[1]) * { ms: 1, s: 1000, m: 60_000 }[m[2] ?? 's'];
}

exports.handle = async (event, context) => {
  const text = event.query.for ?? event.headers['x-sleep'] ?? process.env.sleep_duration ?? '2s';
  const ms = milliseconds(text);
  if (!(ms <= longest)) return [400, {}, `not a duration of at most ${longest / 1000}s: ${text}\n`];
  const began = process.hrtime.bigint();
  await wait(ms, undefined, { signal: context.signal });
  return `slept for ${Math.round(Number(process.hrtime.bigint() - began) / 1e6)} ms\n`;
};
