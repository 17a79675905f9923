"""Who may read and who may ask."""

from __future__ import annotations

import base64
import io

import pytest
from support.configs import load
from support.sites import FakeService, listening

from regbot.config.values import ServerSettings
from regbot.http.hosts import Secret
from regbot.serve.access import Access, network_of

TOKEN, READ = "sesame-sesame-sesame", "mellon-mellon-mellon"
BOTH = ServerSettings(token=Secret(TOKEN), read_token=Secret(READ))


def basic(password, user="me"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Door:
    """Access as requests find it, the clock and the log with it."""

    def __init__(self, settings):
        self.settings = settings
        self.time = 0.0
        self.log = []
        self._access = Access(lambda: self.settings, self.log.append, lambda: self.time)

    def request(
        self,
        method="POST",
        *,
        authorization=None,
        form=None,
        kind="application/x-www-form-urlencoded",
        address="192.0.2.1",
        path="/scripts/a/run",
    ):
        """The status of a refusal, or 0."""
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "REMOTE_ADDR": address,
            "CONTENT_TYPE": kind if form is not None else "",
            "wsgi.input": io.BytesIO((form or "").encode()),
        }
        if authorization is not None:
            environ["HTTP_AUTHORIZATION"] = authorization
        self.refusal = self._access.refusal(environ)
        return self.refusal.status.value if self.refusal else 0

    def asks_for(self):
        return [text for name, text in self.refusal.headers if name == "WWW-Authenticate"]


class TestAsking:
    def test_a_bearer_token_or_the_field_of_a_form_will_do(self):
        door = Door(BOTH)
        assert door.request(authorization=f"Bearer {TOKEN}") == 0
        assert door.request(authorization=f"bearer  {TOKEN} ") == 0
        assert door.request(form=f"other=1&token={TOKEN}") == 0
        assert door.request(form=f"token=+{TOKEN}%0A") == 0
        assert door.log == []

    def test_the_header_counts_where_there_are_both(self):
        assert Door(BOTH).request(authorization="Bearer wrong", form=f"token={TOKEN}") == 401

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {READ}",
            f"Token {TOKEN}",
            basic(TOKEN),
            "Bearer \xff\xfe",
        ],
    )
    def test_nothing_else_will(self, authorization):
        """Not the token to read with, and no basic credentials: browsers send them unasked."""
        door = Door(BOTH)
        assert door.request(authorization=authorization) == 401
        assert door.asks_for() == ['Bearer realm="regbot"']

    @pytest.mark.parametrize(
        ("form", "kind"),
        [
            ("", "application/x-www-form-urlencoded"),
            ("token=", "application/x-www-form-urlencoded"),
            ("tokens=" + TOKEN, "application/x-www-form-urlencoded"),
            ("&" * 1000 + "token=" + TOKEN, "application/x-www-form-urlencoded"),
            ("é&token=" + TOKEN, "application/x-www-form-urlencoded"),
            ("token=" + TOKEN, "text/plain"),
            ("token=" + TOKEN, "multipart/form-data; boundary=x"),
            (f'{{"token": "{TOKEN}"}}', "application/json"),
        ],
    )
    def test_other_bodies_have_no_token(self, form, kind):
        assert Door(BOTH).request(form=form, kind=kind) == 401

    def test_without_a_token_in_the_config_nobody_may(self):
        door = Door(ServerSettings())
        for given in (None, "Bearer ", f"Bearer {TOKEN}"):
            assert door.request(authorization=given) == 403
        assert "server: {token: ...}" in door.refusal.why

    def test_a_token_whose_template_gave_nothing_fits_no_request(self):
        door = Door(ServerSettings(token=Secret(), read_token=Secret()))
        assert door.request() == 401
        assert door.request(authorization="Bearer ") == 401
        assert door.request(form="token=") == 401
        assert door.request("GET", authorization=basic("")) == 401

    def test_a_new_config_counts_at_once(self):
        door = Door(BOTH)
        door.settings = ServerSettings(token=Secret("another-token-of-the-config"))
        assert door.request(authorization=f"Bearer {TOKEN}") == 401
        assert door.request(authorization="Bearer another-token-of-the-config") == 0

    def test_a_refusal_is_logged_without_the_token(self):
        door = Door(BOTH)
        door.request(authorization="Bearer sesame-sesame-sesam", path="/scripts/a\nb/run")
        (message,) = door.log
        assert message.text == "refused a request: this is not the token of the config"
        assert message.fields == {"request": r"POST /scripts/a\nb/run", "from": "192.0.2.1"}


class TestReading:
    def test_without_a_token_to_read_everybody_may(self):
        assert Door(ServerSettings(token=Secret(TOKEN))).request("GET") == 0

    @pytest.mark.parametrize("token", [TOKEN, READ])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_either_token_will_do_also_as_a_password(self, token, method):
        door = Door(BOTH)
        assert door.request(method, authorization=f"Bearer {token}") == 0
        assert door.request(method, authorization=basic(token)) == 0
        assert door.request(method, authorization=basic(token, user="")) == 0

    @pytest.mark.parametrize(
        "authorization",
        [None, basic("no"), basic(""), "Basic !", "Basic " + READ, READ, "Bearer no", "Basic /w=="],
    )
    def test_nothing_else_will(self, authorization):
        door = Door(BOTH)
        assert door.request("GET", authorization=authorization) == 401
        assert door.asks_for() == [
            'Basic realm="regbot", charset="UTF-8"',
            'Bearer realm="regbot"',
        ]

    def test_who_sends_no_token_yet_is_not_logged(self):
        """A browser asks without one first."""
        door = Door(BOTH)
        for _ in range(100):
            door.request("GET")
        assert door.log == []
        assert door.request("GET", authorization=basic(READ)) == 0


class TestGuessing:
    def test_ten_wrong_tokens_a_minute_are_enough(self):
        door = Door(BOTH)
        for _ in range(10):
            assert door.request(authorization="Bearer wrong") == 401
        assert door.request(authorization=f"Bearer {TOKEN}") == 429
        assert dict(door.refusal.headers) == {"Retry-After": "60"}
        assert door.request(authorization=f"Bearer {TOKEN}", address="192.0.2.2") == 0
        assert len(door.log) == 10
        door.time = 59.5
        assert door.request("GET", authorization=basic(TOKEN)) == 429
        assert dict(door.refusal.headers) == {"Retry-After": "1"}
        door.time = 60.0
        assert door.request(authorization=f"Bearer {TOKEN}") == 0
        assert door.request(authorization="Bearer wrong") == 401

    def test_right_ones_are_not_counted(self):
        door = Door(BOTH)
        for _ in range(50):
            assert door.request(authorization=f"Bearer {TOKEN}") == 0

    def test_the_log_does_not_grow_with_what_is_refused(self):
        for settings in (BOTH, ServerSettings()):
            door = Door(settings)
            for _ in range(100):
                assert door.request()
            assert len(door.log) == 10

    def test_a_network_counts_as_one_address(self):
        assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2")
        assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
        assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
        assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")
        assert network_of("") == ""

    def test_only_so_many_addresses_are_remembered(self):
        door = Door(BOTH)
        for number in range(5000):
            door.request(authorization="Bearer no", address=f"10.0.{number // 250}.{number % 250}")
        assert len(door._access._guesses._counts) == 1000


@pytest.fixture(scope="module")
def place():
    config = load(f"server: {{token: {TOKEN}, readToken: {READ}}}")
    with listening(FakeService(config)) as place:
        yield place


class TestOverHttp:
    """What comes back where a token is missing."""

    def test_a_browser_asks_for_a_password(self, place):
        answer = place.get("/")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="regbot"')
        assert "server: {readToken: ...}" in answer.text
        assert place.get("/nowhere", auth=("me", READ)).status_code == 404

    def test_a_post_asks_for_a_bearer_token(self, place):
        answer = place.get("/nowhere", "POST", auth=("me", READ))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="regbot"'
        assert place.get("/nowhere", "POST", data={"token": TOKEN}).status_code == 404

    def test_whether_it_is_well_is_for_everybody(self, place):
        assert place.get("/healthz").status_code == 200

    def test_a_huge_body_is_refused_before_it_is_looked_at(self, place):
        data = f"token={TOKEN}&more=" + "x" * 100_000
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = place.get("/nowhere", "POST", data=data, headers=form)
        assert answer.status_code == 413
