# shellcheck shell=bash
# Sourced by the scripts beside it, from the project's folder: `bootstrap dev`
# makes .venv and installs regbot there with the tools for its development, `bootstrap
# run` installs regbot alone. The versions are those of requirements/*.txt. What is
# installed already is not asked for again, so a second run needs no network.
# $PYTHON names the interpreter to use.

venv=.venv

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

say() {
  printf '%s\n' "$*" >&2
}

is_recent_python() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

minor_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    is_recent_python "$PYTHON" || fail "PYTHON=$PYTHON does not run as Python 3.11 or later"
    printf '%s\n' "$PYTHON"
    return
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_recent_python "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "Python 3.11 or later was not found; install it, or set PYTHON to where it is"
}

# Runs a command as root where that needs no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

can_apt() {
  command -v apt-get >/dev/null 2>&1 && as_root true 2>/dev/null
}

# Installs Debian packages without asking anything; fails when it can't.
apt_install() {
  local quiet=(-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
  say "Installing Debian packages: $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" update </dev/null >/dev/null ||
    say "The package lists could not be brought up to date; trying with those at hand"
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get "${quiet[@]}" install --yes --no-install-recommends "$@" </dev/null >/dev/null
}

# Debian keeps what `python -m venv` needs in a package of its own.
require_venv_module() {
  local python=$1 package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  package="python$(minor_version "$python")-venv"
  if can_apt && apt_install "$package"; then
    return
  fi
  fail "$python can't make virtual environments; try: apt install $package (or python3-venv)"
}

venv_works() {
  is_recent_python "$venv/bin/python" || return 1
  [ -z "${PYTHON:-}" ] || [ "$(minor_version "$PYTHON")" = "$(minor_version "$venv/bin/python")" ]
}

make_venv() {
  local python
  python=$(find_python) || exit 1
  require_venv_module "$python"
  say "Making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv" || fail "$python could not make $venv"
}

# Every version that is installed, for each use: the locked files, see scripts/lock.
locked_files() {
  case "$1" in
    run) printf '%s\n' requirements/run.txt requirements/build.txt ;;
    dev) printf '%s\n' requirements/dev.txt ;;
  esac
}

# What an installation depends on: the locked versions, the project's file, and the folder.
fingerprint() {
  # shellcheck disable=SC2046  # names of ours, one a line
  { cat pyproject.toml $(locked_files "$1") && pwd; } | cksum
}

is_installed() {
  [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

pip_install() {
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@" ||
    fail "pip could not install regbot; its lines above say why"
}

bootstrap() {
  local what=$1
  if venv_works; then
    is_installed dev || is_installed "$what" && return
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
  else
    make_venv
  fi
  say "Installing regbot and what it needs into $venv"
  # shellcheck disable=SC2046  # an option a file
  pip_install --require-hashes $(locked_files "$what" | sed 's/^/--requirement=/')
  pip_install --no-index --no-deps --no-build-isolation --editable .
  fingerprint "$what" >"$venv/.installed-$what"
}

# Another environment beside .venv, with the newest or the lowest versions that
# pyproject.toml allows. From here on $venv is that one.
bootstrap_end_of_range() {
  local end=$1 uv=$venv/bin/uv resolution=highest
  [ "$end" = newest ] || resolution=lowest-direct
  bootstrap dev
  "$uv" venv --quiet --no-project --clear --python "$venv/bin/python" ".venv-$end" ||
    fail "uv could not make .venv-$end"
  venv=.venv-$end
  say "Installing regbot with the $end versions that it allows into $venv"
  "$uv" pip install --quiet --python "$venv/bin/python" --resolution "$resolution" \
    --editable '.[cluster,ecr,gcr,kubernetes,notify,server]' --group test || fail "uv could not install regbot; its lines above say why"
}
