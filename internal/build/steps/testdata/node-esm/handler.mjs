import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

async function* stream(late) {
  for (let i = 0; i < 3; i++) yield Buffer.from(`line ${i}\n`);
  if (late) throw new Error('late');
}

export default async function handle(event, context) {
  switch (event.path) {
    case '/':
      return new Response('hello\n');
    case '/echo':
      return event.bytes();
    case '/json':
      return {
        method: event.method, path: event.path, a: event.query.a, header: event.headers['x-test'],
        call: context.callId, function: context.function, left: context.remaining() < 1e9,
      };
    case '/status':
      return { status: 201, headers: { 'X-Made': 'yes', 'Content-Type': 'text/x-made' }, body: 'made\n' };
    case '/stream':
      return Readable.from(stream(false));
    case '/late':
      return stream(true);
    case '/boom':
      throw new TypeError('boom');
    case '/count':
      return String((await event.text()).length);
    case '/log':
      context.log.warn('logged 1');
      return '';
    case '/wait':
      console.log('waiting');
      await sleep(300);
      return 'waited';
    case '/header':
      return [200, { 'X-Bad': 'a\r\nX-Injected: b' }, ''];
    case '/none':
      return null;
  }
  return [404, {}, 'no such thing\n'];
}
