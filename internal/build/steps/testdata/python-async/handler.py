import asyncio


async def stream(late):
    for i in range(3):
        await asyncio.sleep(0)
        yield f"line {i}\n"
    if late:
        raise RuntimeError("late")


async def handle(event, context):
    await asyncio.sleep(0)
    path = event.path
    if path == "/echo":
        return event.body
    if path == "/json":
        return {
            "method": event.method,
            "path": path,
            "a": event.query["a"],
            "header": event.headers["X-TEST"],
            "call": context.call_id,
            "function": context.function,
            "left": context.remaining() is not None,
        }
    if path == "/status":
        return 201, [("X-Made", "yes"), ("Content-Type", "text/x-made")], "made\n"
    if path in ("/stream", "/late"):
        return stream(path == "/late")
    if path == "/boom":
        raise ValueError("boom")
    if path == "/count":
        return str(len(event.body))
    if path == "/log":
        context.log.warning("logged 1")
        return ""
    if path == "/wait":
        print("waiting")
        await asyncio.sleep(0.3)
        return "waited"
    if path == "/header":
        return 200, {"X-Bad": "a\nX-Injected: b"}, ""
    if path == "/none":
        return None
    return "hello\n"
