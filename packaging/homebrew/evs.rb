# Homebrew's formula. `deno task release` writes it into dist/release, with the version, the address
# and the checksum of the npm package, which has no program for one platform only.
class Evs < Formula
  desc "Event stream that a shell can use"
  homepage "@BASE@"
  url "@BASE@/env-event-stream-@VERSION@.tgz"
  sha256 "@SHA256@"
  license "MIT"

  depends_on "deno"

  def install
    libexec.install Dir["*"]
    # Homebrew's Deno, whatever else is on the PATH; its place stays when it is upgraded.
    (bin/"evs").write_env_script libexec/"bin/evs", EVS_DENO: Formula["deno"].opt_bin/"deno"
    man1.install_symlink Dir[libexec/"man/man1/*"]
    man5.install_symlink Dir[libexec/"man/man5/*"]
    man7.install_symlink Dir[libexec/"man/man7/*"]
    generate_completions_from_executable(bin/"evs", "completions")
  end

  service do
    run [opt_bin/"evs", "daemon", "run"]
    keep_alive crashed: true
  end

  test do
    assert_equal "evs #{version}", shell_output("#{bin}/evs --version").strip
    job = "#{bin}/evs publish users user.created 1 --quiet && #{bin}/evs replay users"
    assert_match '"payload":1', shell_output("#{bin}/evs with -- sh -c '#{job}'")
  end
end
