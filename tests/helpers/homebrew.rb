# As much of Homebrew as our formula uses: checks and unpacks what it names, installs it below a
# prefix, and runs its test. `ruby homebrew.rb FORMULA DOWNLOAD PREFIX DENO`
require "digest"
require "fileutils"
require "open3"
require "pathname"

FORMULA, DOWNLOAD, PREFIX, DENO = ARGV.map { |word| Pathname.new(word) }

class Pathname
  def install(*files)
    mkpath
    files.flatten.each { |file| FileUtils.mv(file.to_s, to_s) }
  end

  def install_symlink(*files)
    mkpath
    files.flatten.each do |file|
      (self / File.basename(file)).make_symlink(Pathname.new(file).relative_path_from(self))
    end
  end

  def write_env_script(target, env)
    dirname.mkpath
    words = env.map { |name, value| "#{name}=\"#{value}\"" }
    write("#!/bin/bash\n#{words.join(" ")} exec \"#{target}\" \"$@\"\n")
    chmod(0o755)
  end
end

class Formula
  class << self
    attr_reader :facts, :test_block, :service_block

    %i[desc homepage url sha256 license].each do |name|
      define_method(name) { |value| (@facts ||= {})[name] = value }
    end

    def depends_on(name)
      (@facts[:depends_on] ||= []) << name
    end

    def test(&block)
      @test_block = block
    end

    def service(&block)
      @service_block = block
    end

    def [](name)
      raise "#{name} is no dependency" unless name == "deno"
      Struct.new(:opt_bin).new(DENO.dirname)
    end
  end

  def prefix = PREFIX
  def libexec = prefix / "libexec"
  def bin = prefix / "bin"
  def opt_bin = bin
  def version = self.class.facts.fetch(:url)[/-(\d[^\/]*)\.tgz\z/, 1]
  %w[1 5 7].each { |section| define_method("man#{section}") { prefix / "share/man/man#{section}" } }

  def shell_output(command)
    output, status = Open3.capture2(command)
    raise "#{command} ended with #{status.exitstatus}" unless status.success?
    output
  end

  def generate_completions_from_executable(program, *words)
    { "bash" => "etc/bash_completion.d/evs", "zsh" => "share/zsh/site-functions/_evs",
      "fish" => "share/fish/vendor_completions.d/evs.fish" }.each do |shell, place|
      (prefix / place).dirname.mkpath
      (prefix / place).write(shell_output([program, *words, shell].join(" ")))
    end
  end

  def assert_equal(expected, found)
    raise "#{found.inspect} is not #{expected.inspect}" unless expected == found
  end

  def assert_match(pattern, found)
    raise "#{found.inspect} has no #{pattern}" unless found.match?(Regexp.escape(pattern))
  end

  # What the block of `service` says.
  def run(words)
    puts "service: #{words.map { |word| word.to_s.delete_prefix("#{prefix}/") }.join(" ")}"
  end

  def keep_alive(**whenever)
    puts "keep alive: #{whenever.keys.join}"
  end
end

load FORMULA.to_s
facts = Formula.subclasses.first.facts
raise "the checksum is of something else" unless Digest::SHA256.file(DOWNLOAD).hexdigest == facts[:sha256]
raise "another file" unless facts[:url].end_with?("/#{DOWNLOAD.basename}")
formula = Formula.subclasses.first.new
stage = PREFIX.dirname / "stage"
stage.mkpath
system("tar", "-xzf", DOWNLOAD.to_s, "-C", stage.to_s, exception: true)
# An archive with one folder is entered.
Dir.chdir(stage.children.fetch(0)) { formula.install }
formula.instance_eval(&formula.class.service_block)
formula.instance_eval(&formula.class.test_block)
puts "installed: #{formula.version} from #{facts[:homepage]}, with #{facts[:depends_on].join(", ")}"
