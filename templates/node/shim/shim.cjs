'use strict';
// Serves handle(event, context) over HTTP/1.1 on descriptor 3.
//
// Usage: node shim.cjs HANDLER, with HANDLER relative to the folder above the
// one this file lies in. Both module systems are understood.

const http = require('http');
const path = require('path');

const root = path.dirname(__dirname);

// Event is one request.
class Event {
  #req;
  #query;
  constructor(req) {
    this.#req = req;
    this.method = req.method;
    this.headers = req.headers; // lower-case names
    const at = req.url.indexOf('?');
    this.path = unescapePath(at < 0 ? req.url : req.url.slice(0, at));
    this.queryString = at < 0 ? '' : req.url.slice(at + 1);
  }
  // query holds the parameters, the last value of each.
  get query() {
    return (this.#query ??= Object.fromEntries(new URLSearchParams(this.queryString)));
  }
  // body is the request body as a stream: for await (const part of event.body).
  get body() {
    return this.#req;
  }
  async bytes() {
    const parts = [];
    for await (const part of this.#req) parts.push(part);
    return Buffer.concat(parts);
  }
  async text() {
    return (await this.bytes()).toString('utf8');
  }
  async json() {
    return JSON.parse(await this.text());
  }
}

// Context is what is known about the call.
class Context {
  #abort;
  #gone = false;
  function = process.env.ROUSE_FUNCTION ?? '';
  namespace = process.env.ROUSE_NAMESPACE ?? '';
  revision = process.env.ROUSE_REVISION ?? '';
  constructor(req, res) {
    this.callId = req.headers['x-call-id'] ?? '';
    // deadline is in milliseconds since 1970, undefined if there is none.
    this.deadline = Number(req.headers['x-rouse-deadline']) || undefined;
    this.log = new Log(this.callId);
    res.once('close', () => {
      this.#gone = !res.writableFinished;
      if (this.#gone) this.#abort?.abort(new Error('the caller left'));
    });
  }
  // remaining returns the milliseconds left.
  remaining() {
    return this.deadline === undefined ? Infinity : Math.max(0, this.deadline - Date.now());
  }
  // signal aborts when the caller leaves: pass it to fetch and the like.
  get signal() {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort(new Error('the caller left'));
    }
    return this.#abort.signal;
  }
}

// Log writes lines that carry the call's id, which Rouse tags them with.
class Log {
  #prefix;
  constructor(callId) {
    this.#prefix = callId ? callId + ' ' : '';
  }
  #write(level, parts) {
    const text = require('util').format(...parts);
    process.stderr.write(text.split('\n').map((line) => `${this.#prefix}${level} ${line}\n`).join(''));
  }
  debug(...parts) { this.#write('debug', parts); }
  info(...parts) { this.#write('info', parts); }
  warn(...parts) { this.#write('warning', parts); }
  error(...parts) { this.#write('error', parts); }
}

function unescapePath(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// parts tells status, headers and body of whatever a handler returned.
function parts(result) {
  if (Array.isArray(result) && result.length === 3 && Number.isInteger(result[0]) && isPlain(result[1] ?? {})) {
    return { status: result[0], headers: result[1] ?? {}, body: result[2] };
  }
  if (isPlain(result) && Number.isInteger(result.status) && ('body' in result || 'headers' in result)) {
    return { status: result.status, headers: result.headers ?? {}, body: result.body };
  }
  // Touching the global Response loads all of fetch: look at the name first.
  if (result?.constructor?.name === 'Response' && typeof result.arrayBuffer === 'function') {
    const headers = Object.fromEntries(result.headers);
    const cookies = result.headers.getSetCookie?.() ?? [];
    if (cookies.length) headers['set-cookie'] = cookies;
    return { status: result.status, headers, body: result.body ?? undefined };
  }
  return { status: 200, headers: {}, body: result };
}

function isPlain(value) {
  if (value === null || typeof value !== 'object') return false;
  const proto = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

const framing = new Set(['content-length', 'transfer-encoding', 'connection']);

async function reply(req, res, result) {
  const { status, headers, body } = parts(result);
  if (!(status >= 200 && status <= 999)) throw new RangeError(`status ${status} is not a final HTTP status`);
  for (const [name, value] of Object.entries(headers)) {
    if (!framing.has(name.toLowerCase())) res.setHeader(name, value);
  }
  if (body === undefined || body === null) return whole(res, status, undefined, '');
  if (typeof body === 'string') return whole(res, status, 'text/plain; charset=utf-8', body);
  if (body instanceof Uint8Array) return whole(res, status, 'application/octet-stream', body);
  if (body instanceof ArrayBuffer) return whole(res, status, 'application/octet-stream', new Uint8Array(body));
  const stream = body[Symbol.asyncIterator] || (typeof body.next === 'function' && body[Symbol.iterator]);
  if (stream) return streamed(req, res, status, stream.call(body));
  return whole(res, status, 'application/json', JSON.stringify(body));
}

function whole(res, status, kind, body) {
  if (kind && status !== 204 && status !== 304 && !res.hasHeader('content-type')) res.setHeader('Content-Type', kind);
  if (status !== 204 && status !== 304) res.setHeader('Content-Length', Buffer.byteLength(body));
  res.writeHead(status);
  res.end(body);
}

async function streamed(req, res, status, source) {
  try {
    let step = await source.next(); // an error before the first part is still a 500
    if (!res.hasHeader('content-type')) {
      res.setHeader('Content-Type', typeof step.value === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream');
    }
    res.writeHead(status);
    while (!step.done && !res.destroyed && req.method !== 'HEAD') {
      const { value } = step;
      const part = typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value) + '\n';
      if (part.length && !res.write(part)) await drained(res);
      step = await source.next();
    }
  } finally {
    // Not waited for while the caller is gone: a generator stuck in its own
    // wait would hold this call for ever.
    const closing = source.return?.();
    if (!res.destroyed) await closing;
    else closing?.catch?.(() => {});
  }
  res.end();
}

function drained(res) {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done).off('close', done);
      resolve();
    };
    res.on('drain', done).on('close', done);
  });
}

function fail(res, context, error) {
  if (res.destroyed) return;
  context.log.error(error instanceof Error ? error.stack : error);
  if (res.headersSent) {
    res.socket?.destroySoon(); // cut off: the caller must not take it for whole
    return;
  }
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  whole(res, 500, 'application/json', JSON.stringify({ error: error?.message ?? String(error), type: error?.name ?? typeof error }));
}

async function load(handler) {
  const file = path.join(root, handler);
  let module;
  if (file.endsWith('.mjs')) {
    module = await import(file);
  } else {
    try {
      module = require(file);
    } catch (error) {
      if (error.code !== 'ERR_REQUIRE_ESM' && error.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
      module = await import(file);
    }
  }
  for (const found of [module, module.handle, module.handler, module.default, module.default?.handle]) {
    if (typeof found === 'function') return found;
  }
  process.stderr.write(`${handler} exports no function handle(event, context)\n`);
  process.exit(1);
}

async function main() {
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete process.env[name];
  const handle = await load(process.argv[2]);
  let stopping = false;
  const serve = async (req, res) => {
    if (req.url === '*' && req.method === 'OPTIONS') return res.end(); // are you ready?
    const context = new Context(req, res);
    res.once('close', () => stopping && server.closeIdleConnections());
    try {
      await reply(req, res, await handle(new Event(req), context));
    } catch (error) {
      fail(res, context, error);
    }
  };
  const server = http.createServer({ maxHeaderSize: 256 << 10, keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve);
  server.timeout = 0;
  server.listen({ fd: 3 });
  process.once('SIGTERM', () => {
    // One turn of the loop first, so that connections already made are taken.
    setImmediate(() => {
      stopping = true; // the connections of calls in hand end with them
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    });
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
