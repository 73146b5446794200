import time


def stream(late):
    for i in range(3):
        yield f"line {i}\n"
    if late:
        raise RuntimeError("late")


def handle(event, context):
    path = event.path
    if path == "/":
        return "hello\n"
    if path == "/echo":
        return event.body
    if path == "/json":
        return {
            "method": event.method,
            "path": path,
            "a": event.query["a"],
            "header": event.headers.get("X-Test"),
            "call": context.call_id,
            "function": context.function,
            "left": context.remaining() is not None,
        }
    if path == "/status":
        return 201, {"X-Made": "yes", "Content-Type": "text/x-made"}, "made\n"
    if path in ("/stream", "/late"):
        return stream(path == "/late")
    if path == "/boom":
        raise ValueError("boom")
    if path == "/count":
        n = 0
        while part := event.read():
            n += len(part)
        return str(n)
    if path == "/log":
        context.log.warning("logged %d", 1)
        return ""
    if path == "/wait":
        print("waiting")
        time.sleep(0.3)
        return "waited"
    if path == "/header":
        return 200, {"X-Bad": "a\r\nX-Injected: b"}, ""
    if path == "/none":
        return None
    return 404, {}, "no such thing\n"
