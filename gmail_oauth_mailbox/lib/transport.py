"""The only user of ``requests``: time-outs, size limits, failures as errors."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import httplib2
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
)

from . import errors

CONNECT_TIMEOUT = 10.0
# Between two bytes; a batch of 25 messages or an upload of 25 MB takes a while.
READ_TIMEOUT = 60.0
# For a whole answer, however slowly it drips.
TOTAL_TIMEOUT = 300.0
# A message of 50 MB is 67 MB in base64, and its JSON comes on top.
MAX_BYTES = 128 * 1024 * 1024
CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, headers (case-insensitive) and the body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Adapter(HTTPAdapter):
    """Gives up connecting sooner than reading. A session takes both at once only as
    a pair, which Odoo's block of outside calls within tests does not understand."""

    def __init__(self, connect_timeout):
        super().__init__(pool_connections=10, pool_maxsize=32)
        self._connect_timeout = connect_timeout

    def send(self, request, timeout=None, **options):
        return super().send(
            request, timeout=(self._connect_timeout, timeout), **options
        )


class Transport:
    """A pooled way to Google, for any number of threads.

    Follows no redirect, keeps no cookie, and reads no password from ``.netrc``,
    which ``requests`` would else put in place of the Authorization header.

    :param read_timeout: seconds without a byte
    :param total_timeout: seconds for a whole answer
    :param max_bytes: largest answer taken, decompressed
    """

    def __init__(
        self,
        *,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        total_timeout=TOTAL_TIMEOUT,
        max_bytes=MAX_BYTES,
    ):
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes
        self._session = None
        self._pid = None

    def _pool(self):
        # Sockets that were open before a fork would be shared by two processes.
        if self._pid != os.getpid():
            session = requests.Session()
            adapter = _Adapter(self._connect_timeout)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._session, self._pid = session, os.getpid()
        return self._session

    def request(self, method, url, *, headers=None, data=None, repeatable=None):
        """Send one request; return its answer, whatever its status.

        :param data: bytes, or a mapping that is sent as a form
        :param repeatable: whether sending it twice does no harm; GET is by itself
        :raises errors.Unreachable: no complete answer came
        :raises errors.RequestRefused: the answer is larger than allowed (kind
            ``too_large``)
        """
        if repeatable is None:
            repeatable = method == "GET"
        try:
            return self._once(method, url, headers, data)
        except errors.Unreachable as error:
            # Google closes idle connections, now and then just as one is used.
            if not (repeatable and error.kind == "connection_lost"):
                raise
        return self._once(method, url, headers, data)

    def _once(self, method, url, headers, data):
        deadline = time.monotonic() + self._total_timeout
        try:
            with self._pool().request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=self._read_timeout,
                allow_redirects=False,
                stream=True,
                auth=_keep_authorization,
            ) as answer:
                return Response(
                    answer.status_code,
                    CaseInsensitiveDict(answer.headers),
                    self._read(answer, deadline),
                )
        except requests.RequestException as error:
            raise _unreachable(error) from error

    def _read(self, answer, deadline):
        chunks, size = [], 0
        for chunk in answer.iter_content(CHUNK):
            size += len(chunk)
            if size > self._max_bytes:
                raise errors.RequestRefused(
                    "the answer is too large",
                    status=answer.status_code,
                    kind="too_large",
                )
            if time.monotonic() > deadline:
                raise errors.Unreachable("the answer takes too long", kind="timeout")
            chunks.append(chunk)
        return b"".join(chunks)


def _keep_authorization(request):
    return request


def _unreachable(error):
    """Return the error for a failure of ``requests``, whose own text names the URL."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    not_sent = isinstance(
        error,
        (
            requests.ConnectTimeout,
            requests.exceptions.SSLError,
            requests.exceptions.ProxyError,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidHeader,
        ),
    ) or isinstance(cause, (NewConnectionError, ConnectTimeoutError))
    if not_sent:
        return errors.Unreachable(
            "Google cannot be reached", sent_maybe=False, kind="no_connection"
        )
    if isinstance(error, requests.Timeout):
        return errors.Unreachable("Google does not answer in time", kind="timeout")
    lost = isinstance(cause, ProtocolError)
    return errors.Unreachable(
        "the connection to Google broke",
        kind="connection_lost" if lost else "unreachable",
    )


class ApiHttp:
    """What google-api-python-client takes for an httplib2 object.

    :param transport: the Transport below
    :param access_token: for the Authorization header
    """

    def __init__(self, transport, access_token):
        self._transport = transport
        self._access_token = access_token

    def request(
        self,
        uri,
        method="GET",
        body=None,
        headers=None,
        redirections=0,
        connection_type=None,
    ):
        """Send; return (httplib2.Response, bytes) as httplib2 does.

        google-api-python-client makes a POST of a GET above 2,048 characters. Searches
        are bounded to what an address takes (``query``), so it is sent as the GET that
        it is, which the transport repeats and proxies let pass.
        """
        headers = dict(headers or {})
        if headers.pop("x-http-method-override", None) == "GET":
            method, uri, body = "GET", f"{uri}?{body}", None
            for name in ("content-type", "content-length"):
                headers.pop(name, None)
        answer = self._transport.request(
            method,
            uri,
            headers={
                **headers,
                "Authorization": f"Bearer {self._access_token}",
            },
            data=body,
        )
        response = httplib2.Response(
            {
                **{name.lower(): value for name, value in answer.headers.items()},
                "status": str(answer.status),
            }
        )
        return response, answer.body

    def close(self):
        """The connections belong to the Transport."""
