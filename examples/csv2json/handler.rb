require "json"

# handle turns CSV with a header row into JSON, one object a line, while it
# comes in: a file of any size needs the memory of one record. The query may
# name another separator: ?separator=%3B
def handle(event, _context)
  separator = event.query.fetch("separator", ",")
  return [400, {}, "the separator must be one character, no quote\n"] unless separator.match?(/\A[^"\r\n]\z/)

  [200, { "Content-Type" => "application/x-ndjson" }, objects(event, separator)]
end

def objects(event, separator)
  Enumerator.new do |out|
    names = nil
    buffer = +""
    each_record(event, separator) do |fields|
      next names = fields.each_with_index.map { |f, i| f.empty? ? "column#{i + 1}" : f } if names.nil?

      fields.each_index { |i| names[i] ||= "column#{i + 1}" }
      buffer << JSON.generate(names.zip(fields).to_h) << "\n"
      # Rows go out in blocks: a write for each would cost more than the work.
      next if buffer.bytesize < 16_384

      out << buffer
      buffer = +""
    end
    out << buffer unless buffer.empty?
  end
end

# each_record joins lines until their quotes are closed and splits them.
def each_record(event, separator)
  record = +""
  event.each_line do |line|
    record << line.scrub
    next if record.count('"').odd?

    text = record.chomp
    yield split(text, separator) unless text.empty?
    record = +""
  end
  yield split(record.chomp, separator) unless record.empty?
end

def split(text, separator)
  return text.split(separator, -1) unless text.include?('"')

  fields = []
  field = +""
  quoted = false
  chars = text.each_char
  loop do
    c = chars.next
    if quoted
      if c != '"' then field << c
      elsif (chars.peek rescue nil) == '"' then field << chars.next
      else quoted = false
      end
    elsif c == '"' then quoted = true
    elsif c == separator
      fields << field
      field = +""
    else field << c
    end
  end
  fields << field
end
