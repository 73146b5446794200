"""Serves function/handler.py over HTTP with the standard library alone."""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from function import handler


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = handler.handle(body.decode(), self.path)
        text = answer["body"].encode()
        self.send_response(answer.get("statusCode", 200))
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", 5000), Handler).serve_forever()
