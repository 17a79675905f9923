"""Real programs between regbot and a registry: nginx in front of it, tinyproxy on the way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.certificates import Authority
from support.servers import free_port, program, running

ELSEWHERE = "0.0.0.0"
"""An address that is not loopback by its name, and yet leads to this machine."""

_NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_client_certificate {authority}; ssl_verify_client on;
    location / {{
      proxy_pass http://{upstream}; proxy_set_header Host $http_host; {more}
    }}
  }}
}}
"""
_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
LogFile "{log}"
LogLevel Connect
{login}
{more}
"""


@contextmanager
def nginx(
    folder: Path, upstream: str, authority: Authority, *, tells: bool = True
) -> Iterator[str]:
    """The host of an nginx that ends TLS, and lets in who shows a certificate.

    ``tells`` the registry behind it that it was asked by https.
    """
    folder.mkdir(parents=True)
    certificate, key = authority.sign("nginx")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            port=port, certificate=certificate, key=key, upstream=upstream,
            authority=authority.folder / "ca.crt",
            more="proxy_set_header X-Forwarded-Proto https;" if tells else "",
        )
    )  # fmt: skip
    command = [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
    with running(command, folder / "nginx.log", partial(_listens, port)):
        yield f"127.0.0.1:{port}"


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """A running tinyproxy: its host, and the file it writes requests to."""

    host: str
    log: Path

    @property
    def requests(self) -> list[str]:
        """What it was asked for, such as ``GET http://r.test/v2/`` or ``CONNECT r.test:443``."""
        lines = (line for line in self.log.read_text().splitlines() if "Request (" in line)
        return [line.partition("): ")[2].rpartition(" HTTP/")[0] for line in lines]


@contextmanager
def tinyproxy(folder: Path, *, login: str = "", more: str = "") -> Iterator[ForwardProxy]:
    """A forward proxy. ``login`` is a user and a password parted by a space."""
    folder.mkdir(parents=True)
    port = free_port()
    log, config = folder / "requests.log", folder / "tinyproxy.conf"
    wanted = f"BasicAuth {login}" if login else ""
    config.write_text(_TINYPROXY.format(port=port, log=log, login=wanted, more=more))
    command = [program("tinyproxy"), "-d", "-c", str(config)]
    with running(command, folder / "output.log", partial(_listens, port)):
        yield ForwardProxy(f"127.0.0.1:{port}", log)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
