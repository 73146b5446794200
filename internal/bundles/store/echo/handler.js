// Answers with the request as it came: to see what a client sends.
'use strict';

exports.handle = async (event, context) => {
  const body = await event.text();
  const seen = { method: event.method, path: event.path, query: event.query, headers: event.headers, body };
  context.log.info('%s %s, %d characters', event.method, event.path, body.length);
  return seen;
};
