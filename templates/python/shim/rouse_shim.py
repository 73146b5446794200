"""Serves handle(event, context) over HTTP/1.1 on descriptor 3.

It imports nothing at start that is not built into the interpreter: a cold
start is the interpreter's own start plus about a millisecond. One thread
serves one connection; Rouse opens as many as it has calls for this instance.
"""
import sys

import _signal
import _socket
import _thread
import posix

MAX_HEAD = 256 << 10  # bytes of a request's head
MAX_DRAIN = 256 << 10  # unread body bytes read away to keep a connection
BLOCK = 64 << 10

_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
    413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
    429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


_FILE = (lambda: 0).__code__.co_filename  # of this file, as traces have it


class ClientGone(Exception):
    """The caller left before the request or the response was complete."""


class BadRequest(Exception):
    """What came in is not HTTP/1.1."""


class Headers(dict):
    """Header fields. Names are lower case inside and match in any case."""

    __slots__ = ()

    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())

    def __contains__(self, name):
        return dict.__contains__(self, name.lower())

    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)


class Event:
    """One request.

    method, path    text; path is what follows the function's name, unescaped
    query           dict of parameters, the last value of each
    query_string    the same as sent
    headers         see Headers
    body            all of the body as bytes, read when first asked for
    text, json()    the body decoded
    read(n)         up to n bytes of a body too large to hold; b"" at the end
    """

    __slots__ = ("method", "target", "headers", "_reader", "_body", "_query")

    def __init__(self, method, target, headers, reader):
        self.method = method
        self.target = target
        self.headers = headers
        self._reader = reader
        self._body = None
        self._query = None

    @property
    def path(self):
        return _unescape(self.target.partition("?")[0], False)

    @property
    def query_string(self):
        return self.target.partition("?")[2]

    @property
    def query(self):
        if self._query is None:
            self._query = {}
            for pair in self.query_string.split("&"):
                if pair:
                    name, _, value = pair.partition("=")
                    self._query[_unescape(name, True)] = _unescape(value, True)
        return self._query

    @property
    def body(self):
        if self._body is None:
            parts = []
            while part := self._reader.read(BLOCK):
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        import json

        return json.loads(self.body)

    def read(self, n=BLOCK):
        return self._reader.read(n)


class Context:
    """What is known about the call.

    call_id, function, namespace, revision   text
    deadline                                 seconds since 1970, or None
    remaining()                              seconds left, or None
    log                                      info(...), warning(...), ...
    """

    __slots__ = ("call_id", "deadline", "log")
    function = namespace = revision = ""

    def __init__(self, headers):
        self.call_id = headers.get("x-call-id", "")
        try:
            self.deadline = int(headers["x-rouse-deadline"]) / 1000
        except (KeyError, ValueError):
            self.deadline = None
        self.log = Log(self.call_id)

    def remaining(self):
        if self.deadline is None:
            return None
        import time

        return max(0.0, self.deadline - time.time())


class Log:
    """Writes lines that carry the call's id, which Rouse tags them with."""

    __slots__ = ("_prefix",)

    def __init__(self, call_id):
        self._prefix = call_id + " " if call_id else ""

    def _write(self, level, message, args):
        text = str(message) % args if args else str(message)
        lines = "".join(f"{self._prefix}{level} {line}\n" for line in text.splitlines() or [""])
        sys.stderr.write(lines)

    def debug(self, message, *args):
        self._write("debug", message, args)

    def info(self, message, *args):
        self._write("info", message, args)

    def warning(self, message, *args):
        self._write("warning", message, args)

    def error(self, message, *args):
        self._write("error", message, args)


def _unescape(text, plus):
    if plus and "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    first, *rest = text.encode("latin-1", "replace").split(b"%")
    out = [first]
    for part in rest:
        try:
            out.append(bytes((int(part[:2], 16),)) + part[2:] if len(part[:2].strip()) == 2 else b"%" + part)
        except ValueError:
            out.append(b"%" + part)
    return b"".join(out).decode("utf-8", "replace")


class Connection:
    """One keep-alive connection with its read buffer. One thread owns it."""

    __slots__ = ("sock", "buf")

    def __init__(self, sock):
        self.sock = sock
        self.buf = b""

    def fill(self):
        """Reads some more bytes; False at the end."""
        try:
            data = self.sock.recv(BLOCK)
        except OSError:
            return False
        self.buf = self.buf + data if self.buf else data
        return bool(data)

    def until(self, mark, limit):
        """Returns the bytes before mark and drops both from the buffer."""
        start = 0
        while (at := self.buf.find(mark, start)) < 0:
            if len(self.buf) > limit:
                raise BadRequest("line or head too long")
            start = max(0, len(self.buf) - len(mark) + 1)
            if not self.fill():
                raise ClientGone
        out, self.buf = self.buf[:at], self.buf[at + len(mark) :]
        return out

    def take(self, n):
        """Returns 1 to n bytes."""
        if not self.buf and not self.fill():
            raise ClientGone
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            raise ClientGone from None


class FixedBody:
    """A request body of known length, read as it is asked for."""

    __slots__ = ("conn", "left")

    def __init__(self, conn, length):
        self.conn = conn
        self.left = length

    def read(self, n):
        if not self.left or n <= 0:
            return b""
        data = self.conn.take(min(n, self.left))
        self.left -= len(data)
        return data


class ChunkedBody:
    """A request body in chunks; trailers are read and dropped."""

    __slots__ = ("conn", "left", "done", "first")

    def __init__(self, conn):
        self.conn = conn
        self.left = 0
        self.done = False
        self.first = True

    def read(self, n):
        if self.done or n <= 0:
            return b""
        if not self.left:
            self._next()
            if self.done:
                return b""
        data = self.conn.take(min(n, self.left))
        self.left -= len(data)
        return data

    def _next(self):
        if not self.first and self.conn.until(b"\r\n", 2):
            raise BadRequest("chunk longer than its size")
        self.first = False
        size = self.conn.until(b"\r\n", 4096).partition(b";")[0].strip()
        if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
            raise BadRequest("bad chunk size")
        self.left = int(size, 16)
        if not self.left:
            while self.conn.until(b"\r\n", MAX_HEAD):
                pass
            self.done = True


def _parse(head, conn):
    """Returns (event, http11, keep) for the bytes of a request's head."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("bad request line")
    headers = Headers()
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest("bad header line")
        name, value = name.lower(), value.strip(" \t")
        if dict.__contains__(headers, name):
            value = dict.__getitem__(headers, name) + ("; " if name == "cookie" else ", ") + value
        dict.__setitem__(headers, name, value)
    http11 = words[2] == "HTTP/1.1"
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if http11 else "keep-alive" in connection
    return Event(words[0], words[1], headers, _body(conn, headers)), http11, keep


def _body(conn, headers):
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise BadRequest("unknown transfer encoding")
        return ChunkedBody(conn)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise BadRequest("bad content length")
    return FixedBody(conn, int(length))


class Response:
    """Writes one response. Nothing is sent before the first byte is known."""

    __slots__ = ("conn", "head_only", "http11", "keep", "started")

    def __init__(self, conn, head_only, http11, keep):
        self.conn = conn
        self.head_only = head_only
        self.http11 = http11
        self.keep = keep
        self.started = False

    def write(self, result):
        status, headers, body = 200, (), result
        if type(result) is tuple and len(result) == 3 and type(result[0]) is int:
            status, headers, body = result
        if not 200 <= status <= 999:
            raise ValueError(f"status {status} is not a final HTTP status")
        if body is None:
            self._whole(status, headers, b"", None)
        elif isinstance(body, str):
            self._whole(status, headers, body.encode("utf-8"), "text/plain; charset=utf-8")
        elif isinstance(body, (bytes, bytearray, memoryview)):
            self._whole(status, headers, bytes(body), "application/octet-stream")
        elif hasattr(body, "__next__") or hasattr(body, "__anext__"):
            self._stream(status, headers, body)
        elif hasattr(body, "read"):
            self._stream(status, headers, _blocks(body))
        else:
            import json

            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            self._whole(status, headers, text.encode("utf-8"), "application/json")

    def _head(self, status, headers, kind, framing):
        out = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n"]
        for name, value in headers.items() if hasattr(headers, "items") else headers:
            lower = name.lower()
            if lower in ("content-length", "transfer-encoding", "connection"):
                continue  # framing is the shim's
            if lower == "content-type":
                kind = None
            for item in value if isinstance(value, (list, tuple)) else (value,):
                line = f"{name}: {item}"
                if not name or "\r" in line or "\n" in line or "\0" in line:
                    raise ValueError(f"header {name!r} holds a line break or is empty")
                out.append(line + "\r\n")
        if kind and status not in (204, 304):
            out.append(f"Content-Type: {kind}\r\n")
        out.append(framing)
        if not self.keep:
            out.append("Connection: close\r\n")
        out.append("\r\n")
        return "".join(out).encode("latin-1", "replace")

    def _whole(self, status, headers, body, kind):
        bodiless = status in (204, 304)
        framing = "" if bodiless else f"Content-Length: {len(body)}\r\n"
        head = self._head(status, headers, kind, framing)
        self.started = True
        if bodiless or self.head_only:
            self.conn.send(head)
        elif len(body) < BLOCK:
            self.conn.send(head + body)
        else:
            self.conn.send(head)
            self.conn.send(body)

    def _stream(self, status, headers, source):
        nexts, close = _pull(source)
        try:
            data = nexts()
            kind = "text/plain; charset=utf-8" if isinstance(data, str) else "application/octet-stream"
            if not self.http11:
                self.keep = False
            framing = "Transfer-Encoding: chunked\r\n" if self.http11 else ""
            head = self._head(status, headers, kind, "" if status in (204, 304) else framing)
            self.started = True
            if self.head_only or status in (204, 304):
                self.conn.send(head)
                return
            while data is not None:
                if isinstance(data, str):
                    data = data.encode("utf-8")
                if data:
                    framed = b"%x\r\n%b\r\n" % (len(data), data) if self.http11 else data
                    self.conn.send(head + framed)
                    head = b""
                data = nexts()
            self.conn.send(head + (b"0\r\n\r\n" if self.http11 else b""))
        finally:
            close()


def _blocks(file):
    try:
        while data := file.read(BLOCK):
            yield data
    finally:
        getattr(file, "close", bool)()


def _pull(source):
    """Returns (next-or-None, close) for a generator, sync or async."""
    if hasattr(source, "__anext__"):
        loop = _Loop.shared()

        async def step():
            try:
                return await source.__anext__()
            except StopAsyncIteration:
                return None

        def close():
            if hasattr(source, "aclose"):
                loop.run(source.aclose())

        return lambda: loop.run(step()), close
    return lambda: next(source, None), getattr(source, "close", lambda: None)


class _Loop:
    """One asyncio loop in a thread of its own, made for the first async call."""

    _lock = _thread.allocate_lock()
    _one = None

    @classmethod
    def shared(cls):
        with cls._lock:
            if cls._one is None:
                cls._one = cls()
            return cls._one

    def __init__(self):
        import asyncio

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        _thread.start_new_thread(self.loop.run_forever, ())

    def run(self, coroutine):
        return self.asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()


class Server:
    """Accepts until SIGTERM, then finishes the calls in hand."""

    def __init__(self, listener, handle):
        self.listener = listener
        self.handle = handle
        self.lock = _thread.allocate_lock()  # guards active
        self.active = 0  # requests being read or answered
        self.stopping = False
        self.drained = _thread.allocate_lock()
        self.drained.acquire()

    def stop(self, *_):
        # A blocked accept is retried after this handler and, now that the
        # socket does not block, ends when the backlog is empty.
        self.stopping = True
        self.listener.settimeout(0)

    def run(self):
        while True:
            try:
                fd, _ = self.listener._accept()
            except BlockingIOError:
                break
            except OSError:
                if self.stopping:
                    break
                continue
            sock = _socket.socket(fileno=fd)
            sock.setblocking(True)
            _thread.start_new_thread(self.serve, (Connection(sock),))
        self.drain()

    def drain(self):
        import time

        time.sleep(0.01)  # connections just accepted bring their first bytes
        with self.lock:
            busy = self.active > 0
        if busy:
            self.drained.acquire()

    def serve(self, conn):
        try:
            while conn.buf or conn.fill():
                with self.lock:
                    self.active += 1
                try:
                    if not self.exchange(conn):
                        return
                finally:
                    with self.lock:
                        self.active -= 1
                        if self.stopping and not self.active and self.drained.locked():
                            self.drained.release()
        except ClientGone:
            pass
        finally:
            conn.sock.close()

    def exchange(self, conn):
        """Serves one request; False ends the connection."""
        try:
            event, http11, keep = _parse(conn.until(b"\r\n\r\n", MAX_HEAD), conn)
        except BadRequest as e:
            return self.refuse(conn, e)
        response = Response(conn, event.method == "HEAD", http11, keep and not self.stopping)
        if event.target == "*" and event.method == "OPTIONS":  # are you ready?
            response.write((200, (), b""))
            return response.keep
        context = Context(event.headers)
        try:
            response.write(self.handle(event, context))
        except ClientGone:
            return False
        except BadRequest as e:
            return False if response.started else self.refuse(conn, e)
        except BaseException as e:
            self.complain(context)
            if response.started:
                return False  # cut off: the caller must not take it for whole
            response.write((500, (), {"error": str(e), "type": type(e).__name__}))
        return response.keep and self.skip(event)

    def refuse(self, conn, error):
        Response(conn, False, True, False).write((400, (), {"error": str(error), "type": "BadRequest"}))
        return False

    def skip(self, event):
        """Reads away what the handler left of the body."""
        try:
            left = MAX_DRAIN
            while left > 0:
                part = event._reader.read(BLOCK)
                if not part:
                    return True
                left -= len(part)
        except (ClientGone, BadRequest):
            pass
        return False

    def complain(self, context):
        import traceback

        kind, error, trace = sys.exc_info()
        while trace is not None and trace.tb_frame.f_code.co_filename == _FILE:
            trace = trace.tb_next  # the function's own frames say enough
        context.log.error("%s", "".join(traceback.format_exception(kind, error, trace)).rstrip())


def _load(root, handler):
    """Imports the handler's file and returns its function."""
    folder, _, file = f"{root}/{handler}".rpartition("/")
    sys.path[0:0] = [folder] if folder == root else [folder, root]
    sys.path.append(root + "/.rouse/deps")
    module = __import__(file.removesuffix(".py"))
    handle = getattr(module, "handle", None)
    if not callable(handle):
        sys.exit(f"{handler} has no function handle(event, context)")
    code = getattr(handle, "__code__", None)
    if code is not None and code.co_flags & 0x80:  # async def
        loop = _Loop.shared()
        return lambda event, context: loop.run(handle(event, context))
    return handle


def main(root, handler):
    env = posix.environ
    Context.function = env.get(b"ROUSE_FUNCTION", b"").decode()
    Context.namespace = env.get(b"ROUSE_NAMESPACE", b"").decode()
    Context.revision = env.get(b"ROUSE_REVISION", b"").decode()
    for name in (b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES"):
        if env.pop(name, None) is not None:
            posix.unsetenv(name)
    posix.set_inheritable(3, False)  # not for programs the function starts
    listener = _socket.socket(fileno=3)
    listener.setblocking(True)
    server = Server(listener, _load(root, handler))
    _signal.signal(_signal.SIGTERM, server.stop)
    server.run()
    sys.exit(0)
