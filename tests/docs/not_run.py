"""What the docs show and no test runs, each with the reason. Nothing else may be left out."""

PROGRAMS = {
    "docker": "needs an engine and images from the network",
    "docker-compose": "needs an engine and images from the network",
    "docker-registry": "runs until it is stopped; the tests start one of their own",
    "podman": "needs an engine and images from the network",
    "kubectl": "needs a cluster",
    "helm": "needs a cluster",
    "systemctl": "needs a system that systemd runs",
    "git": "needs the network",
    "apt": "installs on the machine",
    "sudo": "installs on the machine",
    "pip": "needs the network",
    "pipx": "needs the network",
    "python3": "makes an environment, as scripts/bootstrap.sh does in each build",
    "skopeo": "is not regbot",
    "gh": "needs an account",
    "aws": "needs an account",
    "az": "needs an account",
    "acr": "is not regbot",
    "registry": "runs where the registry does",
    "gitlab-ctl": "runs where the registry does",
    "pulp": "runs where the registry does",
    "curl": "is not regbot",
    "psql": "is not regbot",
}
"""Commands of these programs are not run."""

COMMANDS = {
    ("README.md", ".venv/bin/pip install ."): "scripts/bootstrap.sh does it in each build",
    ("README.md", "export PATH="): "is for that environment",
    ("CONTRIBUTING.md", "scripts/test"): "runs the tests themselves",
    ("docs/performance.md", "scripts/bench"): "takes minutes; tests/bench runs its parts",
    ("docs/performance.md", "REGBOT_PEER="): "takes minutes, and needs the Go program",
    ("docs/performance.md", "REGISTRY="): "takes minutes, and needs another registry",
    ("docs/performance.md", "export REGBOT_PEER="): "takes minutes, and needs the Go program",
    ("docs/cluster.md", "regbot"): "needs PostgreSQL; tests/cluster/test_cli_cluster.py",
    ("docs/state.md", "regbot state copy"): "needs two states; tests/cli/test_cli_state.py",
    ("docs/state.md", "PGPASSWORD="): "needs PostgreSQL; tests/cli/test_cli_state.py",
    ("docs/logins.md", "regbot registry log"): "needs a login; tests/real/test_real_login.py",
    ("docs/logins.md", "regbot registry whoami"): "needs a login; tests/real/test_real_login.py",
    ("docs/notifications.md", "regbot notify"): "needs the receivers; tests/cli/test_cli_notify.py",
    ("docs/cookbook.md", "regbot run examples/tags-of-digest.lua"): (
        "the digest is the reader's; tests/real/test_real_cookbook.py runs it"
    ),
}
"""Commands of a page that begin like this are not run."""

ANYWHERE = {
    "regbot server": "runs until it is stopped; tests/cli/test_cli_running.py runs it",
}
"""Commands of any page that begin like this are not run."""

SHOWN = {
    ("docs/editors.md", "vim.lsp.config("): "is for Neovim",
    ("docs/plans.md", "old releases\n"): "tests/report/test_report_tables.py prints it",
    ("docs/config.md", "regbot.yml:23:11:"): "shows three mistakes of scripts that are not here",
    ("docs/testing.md", "FAIL  cleanup_test.yml"): "tests/testing/test_tutorial.py compares it",
    ("docs/testing.md", "100.0 %  examples/"): "shows one form of many",
}
"""Text of a page that begins like this is not compared with what a command prints."""

ELSEWHERE = {
    "docs/cookbook.md": "its scripts are the examples, and tests/real runs each of them",
    "docs/troubleshooting.md": "tests/messages/test_troubleshooting.py finds its messages",
    "docs/notifications.md": "tests/notify/test_notifications_page.py runs its receiver",
    "docs/library.md": "tests/client/test_library_page.py runs its programs and compares",
}
"""Pages whose Lua and Python, with what it prints, other tests run."""
