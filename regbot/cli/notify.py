"""notify: tries whether receivers of notifications can be reached."""

from __future__ import annotations

import os
import time

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK
from regbot.cli.opening import read_config
from regbot.cli.options import config_option
from regbot.cli.output import note, show_text


@click.command()
@config_option
def notify(config_path: str) -> int:
    """Send a test to every receiver of notifications.

    \b
    regbot notify                 # to those under `notify` in the config

    Each is sent one message that says it is a test, whatever it is to be told of. What came
    back is shown, and the exit code is 1 if one was not reached. A check of Healthchecks logs
    the ping and stays as it is.
    """
    from regbot.notify.channels import open_channel
    from regbot.notify.notification import Notification
    from regbot.notify.outbox import Tries, deliver
    from regbot.notify.posting import Poster
    from regbot.stopping import Stop

    config = read_config(config_path)
    if not config.notify:
        show_text(f"{config_path}: nobody is notified (add receivers under notify)")
        return EXIT_OK
    stop = Stop()
    poster = Poster(os.environ, stop)
    channels = [(receiver, open_channel(receiver, poster, note)) for receiver in config.notify]
    code = EXIT_OK
    for receiver, channel in channels:
        test = Notification("test", time.time(), summary="This is a test of its notifications.")
        problem = deliver(channel, test, stop, Tries(1)).problem
        show_text(f"{receiver}: {problem or 'it was reached'}")
        code = EXIT_FAILED if problem else code
    poster.close()
    return code
