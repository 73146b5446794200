# frozen_string_literal: true

# Puts the gems that were installed at build on the load path. Bundler writes
# bundler/setup.rb beside this file if the function has a Gemfile.
gems = File.join(__dir__, "bundler/setup.rb")
require gems if File.exist?(gems)
