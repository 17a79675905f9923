"""What --profile adds up, and what it shows."""

from support.applying import bot_in
from support.registry import DISTRIBUTION_3

from regbot.events import Delayed, Exchanged, Journalled, Spared
from regbot.report.profile import Profile


def test_seconds_and_requests_are_added_up_by_host():
    times, cpu = iter([100.0, 107.5]), iter([(1.0, 0.5), (3.0, 0.75)])
    profile = Profile(clock=lambda: next(times), cpu=lambda: next(cpu))
    for host in ("a.example", "a.example", "b.example"):
        profile(Exchanged(host, "GET", f"https://{host}/v2/", 200, 1.25))
    profile(Delayed("a.example", 0.5, "status 429"))
    profile(Journalled(20, 0.125))
    profile(Journalled(1, 0.125))
    for _ in range(3):
        profile(Spared("cache"))
    assert list(profile.rows()) == [
        ("a.example", "2.50", "requests: 2"),
        ("b.example", "1.25", "requests: 1"),
        ("a.example", "0.50", "waits before a request: 1 (status 429)"),
        ("disk", "0.25", "entries of the journal: 21"),
        ("cache", "", "requests spared: 3"),
        ("regbot", "2.00", "CPU of regbot itself"),
        ("scripts", "0.25", "CPU of the scripts' processes and of helpers"),
        ("all", "7.50", "from the start to the end"),
    ]


def test_once_shows_where_its_time_went(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3, auth="") as bot:
        bot.fill(old=1, new=0)
        bot.configure("print(tag.ls(app)[1])")
        bot.registry.forget()
        done = bot.run("once", "--profile")
        assert done.returncode == 0
        assert done.stdout == "old0\n"
        (line,) = [line for line in done.stderr.splitlines() if line.startswith(bot.registry.host)]
        assert line.split(maxsplit=2)[2].rstrip() == f"requests: {len(bot.registry.requests)}"
