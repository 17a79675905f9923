"""Certificates for tests, made by the openssl command: an authority and what it signed."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.servers import program


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority of the test's own. Files are PEM."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, name: str = "Test Authority") -> Authority:
        """A new authority that keeps its files in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        made.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30",
            "-keyout", "ca.key", "-out", "ca.crt", "-subj", f"/CN={name}",
        )  # fmt: skip
        return made

    def run(self, options: str, *more: str) -> None:
        command = [program("openssl"), *options.split(), *more]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)

    @property
    def certificate(self) -> str:
        """The authority's own certificate."""
        return (self.folder / "ca.crt").read_text()

    def sign(self, name: str, names: str = "IP:127.0.0.1,DNS:localhost") -> tuple[Path, Path]:
        """A certificate and key for ``names`` (openssl's subjectAltName)."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self.run(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
        )  # fmt: skip
        self.run(
            "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 30",
            "-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", f"{name}.ext",
        )  # fmt: skip
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def server(self, name: str = "server", *, wants_client: bool = False) -> ssl.SSLContext:
        """A server's context with a certificate for loopback."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(name))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.certificate)
        return context
