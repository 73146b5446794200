# handle answers one request. What it returns becomes the response: text,
# anything JSON can say, an Enumerator to stream, or
# [status, headers, any of these].
def handle(event, context)
  name = event.query["name"] || event.body
  name = "world" if name.empty?
  context.log.info("greeting #{name}")
  "Hello, #{name}!\n"
end
