def stream(late)
  Enumerator.new do |out|
    3.times { |i| out << "line #{i}\n" }
    raise "late" if late
  end
end

def handle(event, context)
  case event.path
  when "/" then "hello\n"
  when "/echo" then event.body
  when "/json"
    { method: event.method, path: event.path, a: event.query["a"], header: event.headers["X-Test"],
      call: context.call_id, function: context.function, left: !context.remaining.nil? }
  when "/status" then [201, { "X-Made" => "yes", "Content-Type" => "text/x-made" }, "made\n"]
  when "/stream", "/late" then stream(event.path == "/late")
  when "/boom" then raise ArgumentError, "boom"
  when "/count"
    n = 0
    while (part = event.read)
      n += part.bytesize
    end
    n.to_s
  when "/log"
    context.log.warn("logged 1")
    ""
  when "/wait"
    puts "waiting"
    sleep 0.3
    "waited"
  when "/header" then [200, { "X-Bad" => "a\r\nX-Injected: b" }, ""]
  when "/none" then nil
  else [404, {}, "no such thing\n"]
  end
end
