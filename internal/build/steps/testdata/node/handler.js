'use strict';

function* stream(late) {
  for (let i = 0; i < 3; i++) yield `line ${i}\n`;
  if (late) throw new Error('late');
}

exports.handle = (event, context) => {
  switch (event.path) {
    case '/':
      return 'hello\n';
    case '/echo':
      return event.body;
    case '/json':
      return {
        method: event.method, path: event.path, a: event.query.a, header: event.headers['x-test'],
        call: context.callId, function: context.function, left: context.remaining() < 1e9,
      };
    case '/status':
      return [201, { 'X-Made': 'yes', 'Content-Type': 'text/x-made' }, 'made\n'];
    case '/stream':
    case '/late':
      return stream(event.path === '/late');
    case '/boom':
      throw new TypeError('boom');
    case '/count':
      return (async () => {
        let n = 0;
        for await (const part of event.body) n += part.length;
        return String(n);
      })();
    case '/log':
      context.log.warn('logged %d', 1);
      return '';
    case '/wait':
      console.log('waiting');
      return new Promise((done) => setTimeout(done, 300, 'waited'));
    case '/header':
      return [200, { 'X-Bad': 'a\r\nX-Injected: b' }, ''];
    case '/none':
      return undefined;
  }
  return [404, null, 'no such thing\n'];
};
