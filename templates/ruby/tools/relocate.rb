# frozen_string_literal: true

# Makes the load path that Bundler wrote independent of where the function was
# built: gems that lie in the source are named relative to that file.
#
# Usage: ruby relocate.rb SETUP SOURCE
setup, source = ARGV
text = File.read(setup)
depth = File.dirname(setup).delete_prefix(source).count("/")
moved = text.gsub(%("#{source}/), %("\#{__dir__}/#{"../" * depth}))
File.write(setup, moved) unless moved == text
