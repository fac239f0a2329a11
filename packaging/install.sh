#!/bin/sh
# Installs evs from an archive of `deno task release`, or removes it. It downloads nothing unless
# --from is an address, says what it will do, and asks.

usage() {
  cat <<'USAGE'
sh install.sh [--from PLACE] [--version VERSION] [--prefix FOLDER] [--yes]
sh install.sh --uninstall [--prefix FOLDER] [--yes]

  --from PLACE       The folder, or the http or https address, that has the archive and
                     SHA256SUMS; without it, the folder of this script
  --version VERSION  Which one, if there are several
  --prefix FOLDER    Where it goes: FOLDER/lib/evs, and links in FOLDER/bin and
                     FOLDER/share; without it, ~/.local
  --uninstall        Removes what this script has installed; data stays
  --yes              Does not ask
USAGE
}

fail() { # fail MESSAGE HINT
  printf 'install.sh: %s\n  try: %s\n' "$1" "$2" >&2
  exit 1
}

wrong() { # wrong MESSAGE: of the command line
  printf 'install.sh: %s\n  try: sh install.sh --help\n' "$1" >&2
  exit 2
}

# The whole script is read before anything is done: half of a download does nothing.
main() {
  set -eu
  umask 022
  from='' version='' prefix='' yes='' uninstall=''
  while [ "$#" -gt 0 ]; do
    case $1 in
      --from | --version | --prefix)
        if [ "$#" -lt 2 ] || [ -z "$2" ]; then wrong "$1 needs a value"; fi
        case $1 in
          --from) from=$2 ;;
          --version) version=$2 ;;
          --prefix) prefix=$2 ;;
        esac
        shift
        ;;
      --uninstall) uninstall=yes ;;
      --yes) yes=yes ;;
      --help)
        usage
        exit 0
        ;;
      *) wrong "$1 is not known" ;;
    esac
    shift
  done
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set, so there is no ~/.local" "--prefix FOLDER"
    prefix=$HOME/.local
  fi
  case $prefix in
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
  esac
  [ "$prefix" = / ] || prefix=${prefix%/}
  home=${prefix%/}/lib/evs
  # Marks the folder as ours: packages of the system put evs into such a folder, too.
  mark=.install.sh
  temporary=''
  if [ -n "$uninstall" ]; then
    uninstall_evs
  else
    install_evs
  fi
}

install_evs() {
  find_platform
  for tool in tar gzip readlink; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is needed, and is not on the PATH" "install $tool"
  done
  if command -v sha256sum >/dev/null 2>&1; then
    sum=sha256sum
  elif command -v shasum >/dev/null 2>&1; then
    sum='shasum -a 256'
  else
    fail "sha256sum is needed, and is not on the PATH" "install coreutils"
  fi
  if [ -z "$from" ]; then
    case $0 in
      */install.sh) from=${0%/*} ;;
      install.sh) from=. ;;
      *) fail "nothing says where the archive is" "--from FOLDER" ;;
    esac
  fi
  refuse_foreign
  temporary=$(mktemp -d) || fail "there is no room for temporary files" "TMPDIR=FOLDER sh install.sh"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  get SHA256SUMS
  choose_archive
  say_plan
  ask
  get "$archive"
  check_sum
  unpack
  put_in_place
  printf 'Installed evs %s.\n' "$version"
  case :$PATH: in
    *:"$prefix/bin":*)
      first=$(command -v evs || true)
      [ "$first" = "$prefix/bin/evs" ] || printf 'Another evs comes first on the PATH: %s\n' "$first"
      ;;
    *) printf '%s is not on the PATH: export PATH="%s:$PATH"\n' "$prefix/bin" "$prefix/bin" ;;
  esac
  if [ -n "$updated" ]; then
    printf 'A daemon that runs goes on with the old version until: evs daemon restart\n'
  else
    printf 'Next: evs daemon start\n'
  fi
}

find_platform() {
  case $(uname -sm) in
    'Linux x86_64') platform=linux-x64 loader=/lib64/ld-linux-x86-64.so.2 ;;
    'Linux aarch64') platform=linux-arm64 loader=/lib/ld-linux-aarch64.so.1 ;;
    *)
      fail "there is no archive for $(uname -sm)" "a checkout and Deno 2.9; docs/installing.md"
      ;;
  esac
  [ -e "$loader" ] ||
    fail "this system has no glibc, which the Deno in the archive needs (Alpine has musl)" \
      "apk add deno and a checkout, or a system with glibc"
}

# Fails if something that this script did not make is where evs would go.
refuse_foreign() {
  if [ -e "$home" ] || [ -h "$home" ]; then
    if [ ! -f "$home/$mark" ] || [ -h "$home" ]; then
      fail "$home is there, and this script did not make it" "--prefix FOLDER"
    fi
  fi
  if [ -e "$prefix/bin/evs" ] || [ -h "$prefix/bin/evs" ]; then
    is_ours "$prefix/bin/evs" ||
      fail "$prefix/bin/evs is there and belongs to something else" "--prefix FOLDER"
  fi
  # The nearest folder that exists.
  writable=$prefix
  until [ -e "$writable" ]; do
    writable=${writable%/*}
    writable=${writable:-/}
  done
  for folder in "$writable" "$prefix/lib" "$prefix/bin" "$home"; do
    if [ -e "$folder" ] && { [ ! -d "$folder" ] || [ ! -w "$folder" ]; }; then
      fail "$folder cannot be written to by this user" "--prefix FOLDER, or sudo sh install.sh"
    fi
  done
}

# Links of ours lead into lib/evs.
is_ours() { # is_ours LINK
  [ -h "$1" ] || return 1
  case $(readlink "$1") in
    *../lib/evs/* | "$home"/*) return 0 ;;
  esac
  return 1
}

get() { # get NAME: into the temporary folder
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null 2>&1; then
        curl -fsSL -o "$temporary/$1" "${from%/}/$1"
      elif command -v wget >/dev/null 2>&1; then
        wget -q -O "$temporary/$1" "${from%/}/$1"
      else
        fail "curl or wget is needed to download from $from" "--from FOLDER"
      fi || fail "$1 cannot be downloaded from $from" "--from FOLDER"
      ;;
    *)
      [ -r "$from/$1" ] || fail "$from has no $1 that can be read" "--from FOLDER"
      # A copy: in a folder that others can write to, it might change after it was checked.
      cat <"$from/$1" >"$temporary/$1" ||
        fail "there is no room for a copy of $1" "TMPDIR=FOLDER sh install.sh"
      ;;
  esac
}

# One that SHA256SUMS names for this platform. A name with a slash or a space is no archive.
choose_archive() {
  found=$(sed -n "s/^[0-9a-f]\{64\}  \(evs-[A-Za-z0-9.+-]*-$platform\.tar\.gz\)\$/\1/p" "$temporary/SHA256SUMS")
  if [ -n "$version" ]; then
    archive=evs-$version-$platform.tar.gz
    case "
$found
" in
      *"
$archive
"*) ;;
      *) fail "$from has no $archive" "$(listed)" ;;
    esac
  else
    # shellcheck disable=SC2086 # names without spaces, one a line
    set -- $found
    case $# in
      0) fail "$from has no archive for $platform" "deno task release --platforms $platform" ;;
      1) archive=$1 ;;
      *) fail "$from has several versions" "--version VERSION; $(listed)" ;;
    esac
    version=${archive#evs-}
    version=${version%"-$platform.tar.gz"}
  fi
}

listed() {
  if [ -z "$found" ]; then
    echo "a folder that has one for $platform"
  else
    echo "there is $found" | tr '\n' ' '
  fi
}

say_plan() {
  updated=''
  if [ -d "$home" ]; then updated=yes; fi
  printf 'This will\n'
  printf '  - check %s against SHA256SUMS\n' "$from/$archive"
  if [ -n "$updated" ]; then
    printf '  - replace %s with evs %s\n' "$home" "$version"
  else
    printf '  - unpack evs %s into %s\n' "$version" "$home"
  fi
  printf '  - make the link %s, and links to man pages and completions in %s\n' "$prefix/bin/evs" "$prefix/share"
  printf 'It changes no other file, and starts nothing.\n'
}

ask() {
  [ -z "$yes" ] || return 0
  # Standard input may be this script.
  if ! (: </dev/tty) 2>/dev/null; then
    fail "there is no terminal to ask on, so nothing was done" "--yes"
  fi
  printf 'Go on? [y/N] ' >/dev/tty
  answer=''
  IFS= read -r answer </dev/tty || true
  case $answer in
    y | Y | yes) ;;
    *)
      printf 'Nothing was done.\n'
      exit 1
      ;;
  esac
}

check_sum() {
  grep "^[0-9a-f]\{64\}  $archive\$" "$temporary/SHA256SUMS" >"$temporary/sum"
  (cd "$temporary" && $sum -c sum >/dev/null 2>&1) ||
    fail "$archive is not the one that SHA256SUMS names: damaged, or changed" "get it again"
}

unpack() {
  mkdir -p "$prefix/lib" "$prefix/bin" || fail "$prefix cannot be written to" "--prefix FOLDER"
  new=$prefix/lib/.evs-new.$$
  mkdir "$new" || fail "$prefix/lib cannot be written to" "--prefix FOLDER"
  gzip -dc "$temporary/$archive" | (cd "$new" && tar -xof -) ||
    fail "$archive cannot be unpacked into $prefix/lib: is the disk full?" "df -h '$prefix'"
  unpacked=$new/${archive%.tar.gz}
  # Tried before anything is replaced.
  told=$(EVS_DENO='' DENO_DIR="$temporary/deno" "$unpacked/bin/evs" --version 2>&1) || true
  [ "$told" = "evs $version" ] ||
    fail "the evs in $archive does not run here: $told" "mount | grep noexec"
}

put_in_place() {
  old=$prefix/lib/.evs-old.$$
  : >"$unpacked/$mark"
  if [ -n "$updated" ]; then mv "$home" "$old"; fi
  mv "$unpacked" "$home"
  rm -rf "$old" "$new"
  # Also those of pages that the new version does not have.
  if [ -n "$updated" ]; then remove_links; fi
  link bin/evs bin evs
  link completions/evs.bash share/bash-completion/completions evs
  link completions/_evs share/zsh/site-functions _evs
  link completions/evs.fish share/fish/vendor_completions.d evs.fish
  for page in "$home"/man/man*/*; do
    page=${page#"$home"/}
    link "$page" "share/${page%/*}" "${page##*/}"
  done
}

link() { # link FILE FOLDER NAME: to a file of evs, unless something else has that name
  [ -e "$home/$1" ] || return 0
  mkdir -p "$prefix/$2"
  if [ -e "$prefix/$2/$3" ] || [ -h "$prefix/$2/$3" ]; then
    is_ours "$prefix/$2/$3" || return 0
  fi
  up=$(printf '%s/' "$2" | sed 's|[^/]*/|../|g')
  target=${up}lib/evs/$1
  # Where a folder on the way is a link, `..` leads elsewhere.
  [ "$prefix/$2/$target" -ef "$home/$1" ] 2>/dev/null || target=$home/$1
  ln -sf "$target" "$prefix/$2/$3"
}

remove_links() {
  for file in "$prefix"/bin/evs "$prefix"/share/man/man[157]/evs* \
    "$prefix"/share/bash-completion/completions/evs "$prefix"/share/zsh/site-functions/_evs \
    "$prefix"/share/fish/vendor_completions.d/evs.fish; do
    if is_ours "$file"; then rm "$file"; fi
  done
}

uninstall_evs() {
  [ -d "$home" ] || fail "there is no evs in $prefix" "--prefix FOLDER"
  refuse_foreign
  printf 'This will\n  - remove %s, and the links to it in %s and %s\n' "$home" "$prefix/bin" "$prefix/share"
  printf 'Events stay where they are: evs status says where.\n'
  ask
  remove_links
  rm -rf "$home"
  printf 'Removed evs.\n'
}

clean_up() {
  code=$?
  rm -rf "$temporary" "${new:-$temporary}"
  # Interrupted between the two moves, or after both.
  if [ -n "${old:-}" ] && [ -d "$old" ]; then
    if [ -e "$home" ]; then rm -rf "$old"; else mv "$old" "$home"; fi
  fi
  exit "$code"
}

main "$@"
