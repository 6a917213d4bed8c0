"""Channels: the ways a message leaves, told apart by the form of the address.

    inbox:                                    stands on the page /messages; nothing leaves
    https://:SECRET@host/path  (or http)      JSON, signed (signatures.py), with the header Idempotency-Key
    mailto:officer@example.org                mail over GEO_MAIL_SERVER, Message-ID <key@…>
    anything else                             Apprise: wecombot://, dingtalk://, feishu://, mailtos://, json:// …

What fails is DeliveryFailed, for good or not.  No text of an error holds an address, since addresses hold secrets.
"""

import re
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import apprise
import httpx
import orjson

from geo_service.errors import DeliveryFailed
from geo_service.outbox import signatures

TIMEOUT_S = 10.0
_BUSY = (408, 425, 429)  # of the client errors, those that pass
_TAKES_HEADERS = ("json", "jsons", "form", "forms", "xml", "xmls")
_LONGEST_WAIT = timedelta(days=1)
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


@dataclass(frozen=True)
class Envelope:
    """A message on its way: the key, what people read, what programs read, and when it goes."""

    key: str
    title: str
    body: str
    facts: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Channels:
    """The ways out, with what they need: the mail server's address and who mail comes from."""

    mail_server: str = ""
    mail_from: str = "geo-service@localhost"
    timeout_s: float = TIMEOUT_S

    def send(self, address: str, envelope: Envelope) -> None:
        """Send to an address.  Raises DeliveryFailed; whether for good, and how long to wait at least, it says."""
        scheme = address.partition(":")[0].lower()
        if scheme == "inbox":
            return
        if scheme in ("http", "https"):
            self._post(address, envelope)
        elif scheme == "mailto" and not address.startswith("mailto://"):
            self._mail(unquote(address.partition(":")[2].partition("?")[0]), envelope)
        else:
            _notify(address, envelope, self.timeout_s)

    def _post(self, address: str, envelope: Envelope) -> None:
        url, secret = webhook(address)
        content = orjson.dumps({**envelope.facts, "key": envelope.key, "title": envelope.title, "body": envelope.body})
        timestamp = f"{envelope.at.timestamp():.0f}"
        headers = {
            "content-type": "application/json",
            "Idempotency-Key": envelope.key,
            signatures.TIMESTAMP: timestamp,
            signatures.SIGNATURE: signatures.sign(secret, timestamp, content),
        }
        try:
            answer = httpx.post(url, content=content, headers=headers, timeout=self.timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeliveryFailed(f"the webhook cannot be reached ({type(error).__name__})") from None
        if answer.status_code >= 300:
            for_good = 300 <= answer.status_code < 500 and answer.status_code not in _BUSY
            wait_s = _asked_to_wait_s(answer.headers.get("retry-after", ""), envelope.at)
            raise DeliveryFailed(f"the webhook answered {answer.status_code}", for_good=for_good, wait_s=wait_s)

    def _mail(self, recipient: str, envelope: Envelope) -> None:
        if not self.mail_server:
            raise DeliveryFailed("no mail server is set; set GEO_MAIL_SERVER", for_good=True)
        if not _ADDRESS.fullmatch(recipient):
            raise DeliveryFailed("the mail address cannot be used", for_good=True)
        try:
            with _server(self.mail_server, self.timeout_s) as server:
                server.send_message(_written(self.mail_from, recipient, envelope))
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise DeliveryFailed(f"the mail server refused the address ({code})", for_good=code >= 500) from None
        except smtplib.SMTPResponseException as error:
            ours = isinstance(error, smtplib.SMTPAuthenticationError)  # the operator can mend that
            for_good = error.smtp_code >= 500 and not ours
            raise DeliveryFailed(f"the mail server answered {error.smtp_code}", for_good=for_good) from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(f"the mail server cannot be used ({type(error).__name__})") from None


def webhook(address: str) -> tuple[str, str]:
    """Take the secret out of a webhook's address: give the URL to ask, and the secret.

    >>> webhook("https://:s3cret@gateway.example:8443/sms?to=7")
    ('https://gateway.example:8443/sms?to=7', 's3cret')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        raise DeliveryFailed("the webhook's address cannot be used", for_good=True) from None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), unquote(parts.password or "")


def _asked_to_wait_s(said: str, now: datetime) -> float:
    """Read a Retry-After, seconds or a date; 0: none, or none that can be read."""
    if said.isdigit():
        return min(float(said), _LONGEST_WAIT.total_seconds())
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    left = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(max(left, timedelta()), _LONGEST_WAIT).total_seconds()


def _written(sender: str, recipient: str, envelope: Envelope) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = " ".join(envelope.title.split())
    mail["Date"] = format_datetime(envelope.at)
    mail["Message-ID"] = f"<{envelope.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(envelope.body)
    return mail


def _server(address: str, timeout_s: float) -> smtplib.SMTP:
    """Open the mail server: smtps:// is secret from the start, smtp:// from STARTTLS on where the server offers it."""
    parts = urlsplit(address)
    host, secret = parts.hostname or "", ssl.create_default_context()
    with ExitStack() as opened:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=timeout_s, context=secret)
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=timeout_s)
        opened.callback(server.close)
        server.ehlo()
        if server.has_extn("starttls") and parts.scheme != "smtps":
            server.starttls(context=secret)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        opened.pop_all()
        return server


def _notify(address: str, envelope: Envelope, timeout_s: float) -> None:
    # Apprise is given one address, never a file or folder to read addresses or programs from.
    asset = apprise.AppriseAsset(plugin_paths=[], secure_logging=True, service_timeout=timeout_s)
    if address.partition(":")[0].lower() in _TAKES_HEADERS:
        address += f"{'&' if '?' in address else '?'}+Idempotency-Key={envelope.key}"
    service = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        raise DeliveryFailed("Apprise does not know this form of address", for_good=True)
    if not service.notify(body=envelope.body, title=envelope.title):
        raise DeliveryFailed(f"{service.service_name} did not take it")
