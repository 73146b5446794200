import time

MAX_TICKS = 3600


def handle(event, context):
    """Streams the time as server-sent events: one a second (query "every",
    in seconds), for ever or "ticks" times, until the caller leaves."""
    try:
        every = max(0.01, float(event.query.get("every", "1")))
        ticks = min(MAX_TICKS, int(event.query.get("ticks", str(MAX_TICKS))))
    except ValueError:
        return 400, {}, "every and ticks must be numbers\n"
    return 200, {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}, tick(every, ticks, context)


def tick(every, ticks, context):
    started = time.monotonic()
    try:
        for i in range(ticks):
            # From the start, not from the last tick: delays do not add up.
            time.sleep(max(0.0, started + i * every - time.monotonic()))
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            yield f"id: {i}\nevent: tick\ndata: {now}\n\n"
    finally:
        context.log.info("the clock stopped")
