"""Each channel against a real receiver: what arrives, and which failures are for good."""

import email.policy
import socket
import ssl
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from geo_service.errors import DeliveryFailed
from geo_service.outbox.channels import Channels, Envelope
from tests.outbox.receiving import receiving

AT = datetime(2024, 6, 20, 4, 0, tzinfo=UTC)
SENT = Envelope("ab" * 32, "变为红色：东门小区 turned red", "四起\nfour calls", {"topic": "alert"}, AT)
TO = "mailto:p1@bureau.example"


class Mailbox:
    """An SMTP receiver that takes mail, or answers what it is told to."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer, self.mails = answer, []

    async def handle_DATA(self, _, session, envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.mails.append((envelope, session))
        return self.answer


@contextmanager
def mailbox(answer: str = "250 OK", **options) -> Generator[tuple[Mailbox, int]]:
    box = Mailbox(answer)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]  # the controller must be told one
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    yield box, port
    controller.stop()


def test_mail_arrives_in_two_languages_with_the_key_as_its_message_id():
    with mailbox() as (box, port):
        Channels(f"smtp://127.0.0.1:{port}", "geo@bureau.example").send(TO, SENT)
    [(envelope, _)] = box.mails
    mail = message_from_bytes(envelope.content, policy=email.policy.default)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("geo@bureau.example", ["p1@bureau.example"])
    assert mail["subject"] == SENT.title
    assert mail["message-id"] == f"<{SENT.key}@bureau.example>"
    assert mail["date"] == "Thu, 20 Jun 2024 04:00:00 +0000"
    assert mail.get_content().splitlines() == ["四起", "four calls"]


@pytest.mark.parametrize(("answer", "for_good"), [("550 no such box", True), ("451 later", False)])
def test_a_mail_server_that_refuses_says_whether_for_good(answer: str, for_good: bool):
    with mailbox(answer) as (_, port), pytest.raises(DeliveryFailed, match=answer[:3]) as failed:
        Channels(f"smtp://127.0.0.1:{port}").send(TO, SENT)
    assert failed.value.for_good == for_good


def test_a_mail_server_that_is_away_or_does_not_know_us_is_tried_again():
    with pytest.raises(DeliveryFailed, match="ConnectionRefusedError") as failed:
        Channels("smtp://127.0.0.1:1").send(TO, SENT)
    assert not failed.value.for_good

    def refuse(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    options = {"authenticator": refuse, "auth_require_tls": False}
    with mailbox(**options) as (_, port), pytest.raises(DeliveryFailed, match="535") as failed:
        Channels(f"smtp://us:s3cr3t@127.0.0.1:{port}").send(TO, SENT)
    assert not failed.value.for_good
    assert "s3cr3t" not in str(failed.value)


def test_mail_is_secret_where_the_server_offers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with mailbox(tls_context=context, require_starttls=True) as (box, port):
        ways = Channels(f"smtp://localhost:{port}")
        with pytest.raises(DeliveryFailed, match="SSLCertVerificationError"):
            ways.send(TO, SENT)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        ways.send(TO, SENT)
    [(_, session)] = box.mails
    assert session.ssl is not None


@pytest.mark.parametrize("address", ["mailto:", "mailto:nobody", "mailto:a@b,c@d", "mailto:a b@c"])
def test_an_address_that_is_none_is_refused_for_good(address: str):
    with pytest.raises(DeliveryFailed, match="cannot be used") as failed:
        Channels("smtp://127.0.0.1:1").send(address, SENT)
    assert failed.value.for_good


def test_without_a_mail_server_no_mail_goes():
    with pytest.raises(DeliveryFailed, match="GEO_MAIL_SERVER") as failed:
        Channels().send(TO, SENT)
    assert failed.value.for_good


def test_apprise_carries_the_key_where_its_service_can():
    with receiving() as receiver:
        Channels().send(f"json://127.0.0.1:{receiver.port}/", SENT)
    [(headers, _)] = receiver.came
    assert headers["idempotency-key"] == SENT.key
    [got] = receiver.kept.values()
    assert (got["title"], got["message"]) == (SENT.title, SENT.body)


@pytest.mark.parametrize(
    ("address", "says", "for_good"),
    [
        ("pigeon://loft", "does not know", True),
        ("file:///etc/apprise.yml", "does not know", True),
        ("include://x", "does not know", True),
        ("json://127.0.0.1:1/", "JSON did not take it", False),
    ],
)
def test_what_apprise_cannot_do_is_told(address: str, says: str, for_good: bool):
    with pytest.raises(DeliveryFailed, match=says) as failed:
        Channels(timeout_s=2).send(address, SENT)
    assert failed.value.for_good == for_good


def test_a_webhook_that_cannot_be_one_is_told_without_its_secret():
    with pytest.raises(DeliveryFailed) as failed:
        Channels().send("http://:s3cr3t@[bad/", replace(SENT, title="x"))
    assert "s3cr3t" not in str(failed.value)
