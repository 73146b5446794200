def handle(event, context):
    """Answers one request. What it returns becomes the response:
    text, bytes, anything JSON can say, a generator to stream,
    or (status, headers, any of these)."""
    name = event.query.get("name") or event.text or "world"
    context.log.info("greeting %s", name)
    return f"Hello, {name}!\n"
