"""``notify``: who is told what became of runs."""

from __future__ import annotations

from collections.abc import Mapping

from regbot.config.document import Mistake
from regbot.config.fields import Expected, clean_text_of, name_of, unexpected, word_of
from regbot.config.filefields import rendered
from regbot.config.section import Key, Listing, Section, Value
from regbot.config.shapes import ANY_TEXT, shaped, words
from regbot.errors import InvalidValue
from regbot.http.hosts import Secret
from regbot.http.urls import origin
from regbot.notify.settings import DEFAULT_OCCASIONS, Occasion, Receiver, Way

_OCCASIONS: Mapping[str, Occasion] = {
    "failure": "failure",
    "recovery": "recovery",
    "changes": "changes",
    "approval": "approval",
    "always": "always",
}
OCCASION = Expected(
    "failure, recovery, changes, approval or always", "write one or more of these words"
)
_URL = "write one such as https://hooks.example.org/regbot"
_APPRISE = "write one such as ntfy://ntfy.example.org/regbot"


@shaped(ANY_TEXT)
def webhook_of(value: Value) -> Secret:
    """An http or https URL, which a template may give. No message shows it."""
    text = _secret_text(value)
    try:
        if text.reveal():
            origin(text.reveal())
    except InvalidValue:
        raise Mistake(f"expected an http or https URL ({_URL})") from None
    return text


@shaped(ANY_TEXT)
def apprise_of(value: Value) -> Secret:
    """A URL of apprise, which a template may give. No message shows it."""
    text = _secret_text(value)
    if text.reveal() and "://" not in text.reveal():
        raise Mistake(f"expected a URL of apprise ({_APPRISE})")
    return text


def _secret_text(value: Value) -> Secret:
    """A text, which is empty only where a template gives nothing."""
    source, text = clean_text_of(value), rendered(value).strip()
    if not text and "{{" not in source:
        raise Mistake(f"the URL is empty ({_URL})")
    if not text.isprintable() or " " in text:
        raise Mistake("the URL has a space or another character that is not allowed (remove it)")
    return Secret(text)


@shaped(words(*_OCCASIONS, any_case=True))
def occasion_of(value: Value) -> Occasion:
    """What somebody wants to be told of."""
    word = word_of(value, OCCASION)
    if word.lower() not in _OCCASIONS:
        raise unexpected(word, OCCASION)
    return _OCCASIONS[word.lower()]


@shaped(ANY_TEXT)
def signing_secret_of(value: Value) -> Secret:
    """A secret that signs, which a template may give."""
    from regbot.notify.signing import key_of

    text = rendered(value).strip()
    try:
        if text or "{{" not in clean_text_of(value):
            key_of(text)
    except InvalidValue as error:
        raise Mistake(f'{error} (make one: echo "whsec_$(openssl rand -base64 32)")') from None
    return Secret(text)


@shaped(ANY_TEXT)
def template_of(value: Value) -> str:
    """A template of jinja2, whose names are all known."""
    from regbot.notify.template import check_template

    text = clean_text_of(value)
    try:
        check_template(text)
    except InvalidValue as error:
        raise Mistake(f"{error} (docs/notifications.md lists the variables)") from None
    return text


class TemplateSection(Section):
    """What is said; fields of Receiver."""

    title = Key(template_of, "The title, on one line.")
    body = Key(template_of, "The text.")


class NotifySection(Section):
    """One receiver; fields of Receiver."""

    called = "a notify entry"

    webhook = Key(webhook_of, "A URL that is sent JSON, see [webhooks](notifications.md#webhooks).")
    apprise = Key(
        apprise_of,
        "A URL of apprise: chats, mail, push services, see"
        " [chats and mail](notifications.md#chats-and-mail).",
    )
    ping = Key(
        webhook_of,
        "The ping URL of a check of Healthchecks, see [pings](notifications.md#pings).",
    )
    when = Key(
        Listing(occasion_of, unique=True),
        "A list of what to tell: `failure`, `recovery`, `changes`, `approval`, `always`."
        " Default: `[failure, recovery]`.",
    )
    scripts = Key(
        Listing(name_of, unique=True),
        "A list of the scripts to tell of. Default: all of them.",
    )
    script = Key(name_of, "With `ping`: the script whose runs are told.")
    secret = Key(signing_secret_of, "With `webhook`: what signs each message.")
    template = Key(
        TemplateSection.read,
        "Templates in place of the default texts, see [texts](notifications.md#texts).",
    )

    def told(self) -> tuple[Way, Secret]:
        """How the receiver is told, and where; the URL is empty where its template gives none."""
        ways: tuple[tuple[Way, Secret | None], ...] = (
            ("webhook", self.webhook),
            ("apprise", self.apprise),
            ("ping", self.ping),
        )
        return next((way, url) for way, url in ways if url is not None)

    def receiver(self, place: str) -> Receiver:
        """The receiver; ``place`` is the ``file:line`` of the entry."""
        way, url = self.told()
        template = self.template
        return Receiver(
            way,
            url,
            place,
            self.when or DEFAULT_OCCASIONS,
            (self.script,) if self.script else self.scripts or (),
            self.secret or Secret(),
            (template and template.title) or "",
            (template and template.body) or "",
        )
