# shellcheck shell=bash
# Sourced by scripts/test after bootstrap.sh: gets the real programs that tests
# start or ask as a witness. Each word is a command and its Debian package.

servers="docker-registry:docker-registry skopeo:skopeo openssl:openssl nginx:nginx-light
  tinyproxy:tinyproxy chromium:chromium chromedriver:chromium-driver promtool:prometheus
  pg_ctl:postgresql"
registry_image=docker.io/library/registry:2

# Debian keeps the programs of a PostgreSQL server in a folder of its version.
has_program() {
  command -v "$1" >/dev/null 2>&1 || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing_packages() {
  local server
  for server in $servers; do
    has_program "${server%%:*}" || printf '%s ' "${server#*:}"
  done
}

# A package may start its service and enable it for the next boot; the tests run
# servers of their own, so a service that was not there before is ended again.
end_service() {
  local service=${1%-light}
  if [ -d /run/systemd/system ]; then
    as_root systemctl --quiet disable --now "$service.service" >/dev/null 2>&1 || true
  elif [ -x "/etc/init.d/$service" ]; then
    as_root "/etc/init.d/$service" stop >/dev/null 2>&1 || true
  fi
}

get_from_apt() {
  local package
  can_apt || return 0
  if ! apt_install "$@"; then
    say "apt could not install: $*"
    return 0
  fi
  for package in "$@"; do
    end_service "$package"
  done
}

# The registry is one static program, so an engine is only asked to hand it out.
get_registry_from_engine() {
  local engine container
  [ "$(uname -s)" = Linux ] || return 0
  for engine in docker podman; do
    "$engine" info >/dev/null 2>&1 || continue
    say "Taking docker-registry out of $registry_image with $engine"
    container=$("$engine" create "$registry_image" </dev/null) || continue
    "$engine" cp "$container:/bin/registry" "$venv/bin/docker-registry" ||
      say "$engine could not copy it"
    "$engine" rm "$container" >/dev/null || true
    return 0
  done
}

# Without them tests are skipped and counted, but never on a build machine.
get_servers() {
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086  # one word a package
  get_from_apt $missing
  command -v docker-registry >/dev/null 2>&1 || get_registry_from_engine
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  [ "${CI:-}" != true ] || fail "CI=true, and tests need what can't be installed here: $missing"
  say "Tests that need these are skipped, as they can't be installed here: $missing"
}
