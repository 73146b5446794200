# frozen_string_literal: true

# Serves handle(event, context) over HTTP/1.1 on descriptor 3.
#
# Usage: ruby shim.rb HANDLER, with HANDLER relative to the folder above the
# one this file lies in. One thread serves one connection; Rouse opens as many
# as it has calls for this instance. Nothing but the socket library is loaded
# at start.

require "socket"

module Rouse
  MAX_HEAD = 256 << 10 # bytes of a request's head
  MAX_DRAIN = 256 << 10 # unread body bytes read away to keep a connection
  BLOCK = 64 << 10
  FRAMING = %w[content-length transfer-encoding connection].freeze
  REASONS = {
    200 => "OK", 201 => "Created", 202 => "Accepted", 204 => "No Content", 206 => "Partial Content",
    301 => "Moved Permanently", 302 => "Found", 303 => "See Other", 304 => "Not Modified",
    307 => "Temporary Redirect", 308 => "Permanent Redirect", 400 => "Bad Request", 401 => "Unauthorized",
    403 => "Forbidden", 404 => "Not Found", 405 => "Method Not Allowed", 409 => "Conflict", 410 => "Gone",
    413 => "Content Too Large", 415 => "Unsupported Media Type", 422 => "Unprocessable Content",
    429 => "Too Many Requests", 500 => "Internal Server Error", 501 => "Not Implemented",
    502 => "Bad Gateway", 503 => "Service Unavailable", 504 => "Gateway Timeout"
  }.freeze

  # ClientGone: the caller left before the request or response was complete.
  class ClientGone < StandardError; end

  # BadRequest: what came in is not HTTP/1.1.
  class BadRequest < StandardError; end

  # Headers holds header fields; names match in any case.
  class Headers
    def initialize = @fields = {}
    def [](name) = @fields[name.downcase]
    def fetch(name, *rest, &) = @fields.fetch(name.downcase, *rest, &)
    def key?(name) = @fields.key?(name.downcase)
    def each(&) = @fields.each(&)
    def to_h = @fields.dup

    def add(name, value)
      name = name.downcase
      old = @fields[name]
      @fields[name] = old ? "#{old}#{name == "cookie" ? "; " : ", "}#{value}" : value
    end
  end

  # Event is one request: method (also http_method), path, query, query_string, headers,
  # body (all of it, read when first asked for), json, and read(n) for a body
  # too large to hold (nil at the end).
  class Event
    attr_reader :http_method, :headers, :reader

    def initialize(http_method, target, headers, reader)
      @http_method = http_method
      @target = target
      @headers = headers
      @reader = reader
    end

    # method without an argument is the request's; with one it is Ruby's own.
    def method(*name) = name.empty? ? @http_method : super

    def path = Rouse.unescape(@target.partition("?").first, false)
    def query_string = @target.partition("?").last
    def asks_readiness? = @target == "*" && @http_method == "OPTIONS"

    def query
      @query ||= query_string.split("&").reject(&:empty?).to_h do |pair|
        name, _, value = pair.partition("=")
        [Rouse.unescape(name, true), Rouse.unescape(value, true)]
      end
    end

    def body
      @body ||= begin
        all = String.new(encoding: Encoding::BINARY)
        while (part = read)
          all << part
        end
        all.force_encoding(Encoding::UTF_8)
      end
    end

    def json
      require "json"
      JSON.parse(body)
    end

    def read(limit = BLOCK) = @reader.read(limit)

    # each_line yields the body's lines as they come in.
    def each_line
      return to_enum(:each_line) unless block_given?

      rest = String.new(encoding: Encoding::BINARY)
      while (part = read)
        rest << part
        *lines, rest = rest.lines("\n").then { |l| l.last&.end_with?("\n") ? l << String.new : l }
        lines.each { |line| yield line.force_encoding(Encoding::UTF_8) }
        rest = String.new(rest || "", encoding: Encoding::BINARY)
      end
      yield rest.force_encoding(Encoding::UTF_8) unless rest.empty?
    end
  end

  # Context is what is known about the call: call_id, function, namespace,
  # revision, deadline (seconds since 1970 or nil), remaining (seconds), log.
  class Context
    FUNCTION = ENV.fetch("ROUSE_FUNCTION", "")
    NAMESPACE = ENV.fetch("ROUSE_NAMESPACE", "")
    REVISION = ENV.fetch("ROUSE_REVISION", "")
    attr_reader :call_id, :deadline, :log

    def initialize(headers)
      @call_id = headers["x-call-id"] || ""
      millis = headers["x-rouse-deadline"]
      @deadline = millis.to_i / 1000.0 if millis
      @log = Log.new(@call_id)
    end

    def function = FUNCTION
    def namespace = NAMESPACE
    def revision = REVISION
    def remaining = @deadline && [0.0, @deadline - Time.now.to_f].max
  end

  # Log writes lines that carry the call's id, which Rouse tags them with.
  class Log
    def initialize(call_id) = @prefix = call_id.empty? ? "" : "#{call_id} "

    %w[debug info warning error].each do |level|
      define_method(level) do |message|
        lines = message.to_s.split("\n")
        lines = [""] if lines.empty?
        $stderr.write(lines.map { |line| "#{@prefix}#{level} #{line}\n" }.join)
      end
    end
    alias warn warning
  end

  def self.unescape(text, plus)
    text = text.tr("+", " ") if plus
    return text unless text.include?("%")

    text.b.gsub(/%(\h\h)/) { $1.hex.chr }.force_encoding(Encoding::UTF_8).scrub
  end

  # Connection is one keep-alive connection with its read buffer; one thread
  # owns it.
  class Connection
    attr_reader :buf

    def initialize(sock)
      @sock = sock
      @buf = String.new(encoding: Encoding::BINARY)
    end

    # fill reads some more bytes; false at the end.
    def fill
      @buf << @sock.readpartial(BLOCK)
      true
    rescue SystemCallError, IOError
      false
    end

    # until returns the bytes before mark and drops both from the buffer.
    def until(mark, limit)
      start = 0
      until (at = @buf.index(mark, start))
        raise BadRequest, "line or head too long" if @buf.bytesize > limit

        start = [0, @buf.bytesize - mark.bytesize + 1].max
        fill or raise ClientGone
      end
      out = @buf.slice!(0, at + mark.bytesize)
      out[0, at]
    end

    # take returns 1 to n bytes.
    def take(limit)
      fill or raise ClientGone if @buf.empty?
      @buf.slice!(0, limit)
    end

    def send_all(data)
      @sock.write(data)
    rescue SystemCallError, IOError
      raise ClientGone
    end

    def close = @sock.close
  end

  # FixedBody is a request body of known length.
  class FixedBody
    def initialize(conn, length)
      @conn = conn
      @left = length
    end

    def read(limit)
      return if @left.zero?

      data = @conn.take([limit, @left].min)
      @left -= data.bytesize
      data
    end
  end

  # ChunkedBody is a request body in chunks; trailers are read and dropped.
  class ChunkedBody
    def initialize(conn)
      @conn = conn
      @left = 0
      @first = true
    end

    def read(limit)
      return if @done

      following if @left.zero?
      return if @done

      data = @conn.take([limit, @left].min)
      @left -= data.bytesize
      data
    end

    private

    def following
      raise BadRequest, "chunk longer than its size" if !@first && !@conn.until("\r\n", 2).empty?

      @first = false
      size = @conn.until("\r\n", 4096).partition(";").first.strip
      raise BadRequest, "bad chunk size" unless size.match?(/\A\h{1,15}\z/)

      @left = size.hex
      return unless @left.zero?

      nil until @conn.until("\r\n", MAX_HEAD).empty?
      @done = true
    end
  end

  # Response writes one response. Nothing is sent before the first byte is
  # known, so that an error before it is still a 500.
  class Response
    attr_reader :keep, :started

    def initialize(conn, head_only, http11, keep)
      @conn = conn
      @head_only = head_only
      @http11 = http11
      @keep = keep
    end

    def write(result)
      status, headers, body = triple?(result) ? result : [200, {}, result]
      raise RangeError, "status #{status} is not a final HTTP status" unless (200..999).cover?(status)

      case body
      when nil then whole(status, headers, "", nil)
      when String
        text = body.encoding != Encoding::BINARY
        whole(status, headers, body, text ? "text/plain; charset=utf-8" : "application/octet-stream")
      when Enumerator, Enumerator::Lazy then stream(status, headers, body)
      when Hash, Array, Numeric, true, false then json(status, headers, body)
      else
        if body.respond_to?(:readpartial) then stream(status, headers, blocks(body))
        elsif body.respond_to?(:each) then stream(status, headers, body.each_entry)
        else json(status, headers, body)
        end
      end
    end

    private

    def triple?(result)
      result.is_a?(Array) && result.size == 3 && result[0].is_a?(Integer) && (result[1].nil? || result[1].is_a?(Hash))
    end

    def json(status, headers, body)
      require "json"
      whole(status, headers, JSON.generate(body), "application/json")
    end

    def blocks(io)
      Enumerator.new do |out|
        loop { out << io.readpartial(BLOCK) }
      rescue EOFError
        nil
      ensure
        io.close
      end
    end

    def head(status, headers, kind, framing)
      out = +"HTTP/1.1 #{status} #{REASONS.fetch(status, "Status")}\r\n"
      (headers || {}).each do |name, value|
        lower = name.to_s.downcase
        next if FRAMING.include?(lower)

        kind = nil if lower == "content-type"
        Array(value).each do |item|
          line = "#{name}: #{item}"
          raise ArgumentError, "header #{name.inspect} holds a line break or is empty" if lower.empty? || line.match?(/[\r\n\0]/)

          out << line << "\r\n"
        end
      end
      out << "Content-Type: #{kind}\r\n" if kind && !bodiless?(status)
      out << framing unless bodiless?(status)
      out << "Connection: close\r\n" unless @keep
      out << "\r\n"
      out.b
    end

    def bodiless?(status) = [204, 304].include?(status)

    def whole(status, headers, body, kind)
      first = head(status, headers, kind, "Content-Length: #{body.bytesize}\r\n")
      @started = true
      first << body.b unless @head_only || bodiless?(status)
      @conn.send_all(first)
    end

    def stream(status, headers, source)
      @keep = false unless @http11
      first = nil
      source.each do |part|
        part = part.to_s
        first ||= begin_stream(status, headers, part)
        return if @head_only || bodiless?(status)

        chunk(part) unless part.empty?
      end
      first || begin_stream(status, headers, "")
      @conn.send_all("0\r\n\r\n") if @http11 && !@head_only && !bodiless?(status)
    end

    def begin_stream(status, headers, part)
      kind = part.encoding == Encoding::BINARY ? "application/octet-stream" : "text/plain; charset=utf-8"
      first = head(status, headers, kind, @http11 ? "Transfer-Encoding: chunked\r\n" : "")
      @started = true
      @conn.send_all(first)
      first
    end

    def chunk(part)
      @conn.send_all(@http11 ? "#{part.bytesize.to_s(16)}\r\n".b << part.b << "\r\n" : part)
    end
  end

  # Server accepts until SIGTERM, then finishes the calls in hand.
  class Server
    def initialize(listener)
      @listener = listener
      @lock = Mutex.new # guards @active and @stopping
      @drained = ConditionVariable.new
      @active = 0 # requests being read or answered
      @stopping = false
      @wake, @waker = IO.pipe
    end

    def run
      trap("TERM") { @waker.write_nonblock(".", exception: false) }
      loop do
        ready, = IO.select([@listener, @wake])
        accept if ready.include?(@listener)
        break if ready.include?(@wake)
      end
      drain
    end

    private

    # accept takes every connection that waits.
    def accept
      while (sock = @listener.accept_nonblock(exception: false)) != :wait_readable
        Thread.new(Connection.new(sock)) { |conn| serve(conn) }
      end
    rescue SystemCallError
      nil
    end

    def drain
      accept
      sleep 0.01 # connections just accepted bring their first bytes
      @lock.synchronize do
        @stopping = true
        @drained.wait(@lock) until @active.zero?
      end
    end

    def serve(conn)
      while !conn.buf.empty? || conn.fill
        @lock.synchronize { @active += 1 }
        begin
          return unless exchange(conn)
        ensure
          @lock.synchronize do
            @active -= 1
            @drained.signal if @active.zero?
          end
        end
      end
    rescue ClientGone
      nil
    ensure
      conn.close
    end

    # exchange serves one request; false ends the connection.
    def exchange(conn)
      begin
        event, http11, keep = parse(conn)
      rescue BadRequest => e
        return refuse(conn, e)
      end
      keep &&= !@stopping
      if event.asks_readiness?
        Response.new(conn, false, http11, keep).write([200, {}, ""])
        return keep
      end
      answer(conn, event, http11, keep)
    end

    def answer(conn, event, http11, keep)
      response = Response.new(conn, event.http_method == "HEAD", http11, keep)
      context = Context.new(event.headers)
      begin
        response.write(TOPLEVEL_BINDING.receiver.send(:handle, event, context))
      rescue ClientGone
        return false
      rescue BadRequest => e
        return response.started ? false : refuse(conn, e)
      rescue Exception => e # rubocop:disable Lint/RescueException
        complain(context, e)
        return false if response.started # cut off: the caller must not take it for whole

        response.write([500, {}, { error: e.message, type: e.class.name }])
      end
      response.keep && skip(event)
    end

    def refuse(conn, error)
      Response.new(conn, false, true, false).write([400, {}, { error: error.message, type: "BadRequest" }])
      false
    end

    def complain(context, error)
      trace = (error.backtrace || []).take_while { |line| !line.start_with?(__FILE__) }
      context.log.error("#{error.class}: #{error.message}\n#{trace.map { |line| "  #{line}" }.join("\n")}")
    end

    # skip reads away what the handler left of the body.
    def skip(event)
      left = MAX_DRAIN
      while left.positive?
        part = event.read or return true
        left -= part.bytesize
      end
      false
    rescue ClientGone, BadRequest
      false
    end

    def parse(conn)
      lines = conn.until("\r\n\r\n", MAX_HEAD).force_encoding(Encoding::UTF_8).split("\r\n")
      words = (lines.shift || "").scrub.split(" ", -1)
      raise BadRequest, "bad request line" unless words.size == 3 && %w[HTTP/1.1 HTTP/1.0].include?(words[2])

      headers = Headers.new
      lines.each do |line|
        name, colon, value = line.scrub.partition(":")
        raise BadRequest, "bad header line" if colon.empty? || name.empty? || name != name.strip

        headers.add(name, value.strip)
      end
      http11 = words[2] == "HTTP/1.1"
      connection = (headers["connection"] || "").downcase
      keep = http11 ? !connection.include?("close") : connection.include?("keep-alive")
      [Event.new(words[0], words[1], headers, body(conn, headers)), http11, keep]
    end

    def body(conn, headers)
      if (coding = headers["transfer-encoding"])
        raise BadRequest, "unknown transfer encoding" unless coding.downcase == "chunked"

        return ChunkedBody.new(conn)
      end
      length = headers["content-length"] || "0"
      raise BadRequest, "bad content length" unless length.match?(/\A\d{1,18}\z/)

      FixedBody.new(conn, length.to_i)
    end
  end

  def self.main(handler)
    %w[LISTEN_FDS LISTEN_PID LISTEN_FDNAMES].each { |name| ENV.delete(name) }
    $stdout.sync = true
    root = File.dirname(__dir__)
    file = File.join(root, handler)
    $LOAD_PATH.unshift(File.dirname(file))
    require_relative "deps/setup"
    require file
    unless TOPLEVEL_BINDING.receiver.respond_to?(:handle, true)
      abort "#{handler} defines no method handle(event, context)"
    end
    listener = UNIXServer.for_fd(3)
    listener.close_on_exec = true
    Server.new(listener).run
    $stdout.flush
    exit 0
  end
end

Rouse.main(ARGV.fetch(0))
