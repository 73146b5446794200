'use strict';

// handle answers one request. What it returns becomes the response: text,
// bytes, anything JSON can say, a generator or stream, or
// [status, headers, any of these].
exports.handle = async (event, context) => {
  const name = event.query.name || (await event.text()) || 'world';
  context.log.info('greeting', name);
  return `Hello, ${name}!\n`;
};
