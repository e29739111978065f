"""OAuth with Google: the consent page, tokens, and who consented.

Sources: "Using OAuth 2.0 for Web Server Applications" and "OpenID Connect" of Google
Identity; RFC 6749, RFC 7009 (revocation), RFC 7636 (PKCE), RFC 9700 (best practice).
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from google.auth import exceptions as google_exceptions
from google.auth import jwt

from . import errors
from .mime.addresses import address_key
from .types import Identity, Tokens

SCOPE_OPENID = "openid"
SCOPE_EMAIL = "email"
SCOPE_READ = "https://www.googleapis.com/auth/gmail.readonly"
SCOPE_SEND = "https://www.googleapis.com/auth/gmail.send"
SCOPE_CONTACTS = "https://www.googleapis.com/auth/contacts.readonly"
# Google answers with the long spelling of what was asked for by the short one.
LONG_SPELLING = {
    "https://www.googleapis.com/auth/userinfo.email": SCOPE_EMAIL,
    "https://www.googleapis.com/auth/userinfo.profile": "profile",
}
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
CLOCK_SKEW = 60
CERTS_AT_MOST = 24 * 3600
AUTHORIZATION_ERROR = re.compile(
    "redirect_uri_mismatch|invalid_client|invalid_scope|invalid_request|org_internal"
    "|admin_policy_enforced|access_denied|disabled_client|deleted_client"
)
MAX_AGE = re.compile(r"max-age\s*=\s*(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Google is: its real hosts, or one origin that stands in for all.

    :ivar origin: the origin that stands in, or None
    :ivar gmail: root of the Gmail API, ending in a slash; ``people`` that of the
        People API
    """

    authorization: str
    token: str
    revoke: str
    certs: str
    gmail: str
    batch: str
    people: str
    origin: str | None = None

    @classmethod
    def for_origin(cls, origin=None):
        """Return the endpoints at ``origin``, or Google's own for None."""
        if not origin:
            return cls(
                authorization="https://accounts.google.com/o/oauth2/v2/auth",
                token="https://oauth2.googleapis.com/token",  # nosec B106 - an address
                revoke="https://oauth2.googleapis.com/revoke",
                certs="https://www.googleapis.com/oauth2/v1/certs",
                gmail="https://gmail.googleapis.com/",
                batch="https://gmail.googleapis.com/batch/gmail/v1",
                people="https://people.googleapis.com/",
            )
        origin = origin.rstrip("/")
        return cls(
            authorization=f"{origin}/o/oauth2/v2/auth",
            token=f"{origin}/token",
            revoke=f"{origin}/revoke",
            certs=f"{origin}/oauth2/v1/certs",
            gmail=f"{origin}/",
            batch=f"{origin}/batch/gmail/v1",
            people=f"{origin}/",
            origin=origin,
        )


# ----------------------------------------------------------------------
# The consent page
# ----------------------------------------------------------------------


def new_verifier():
    """Return a fresh PKCE code verifier (RFC 7636, 4.1: 43 to 128 characters)."""
    return secrets.token_urlsafe(48)


def challenge(verifier):
    """Return the S256 challenge of a verifier.

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_url(
    endpoints,
    *,
    client_id,
    redirect_uri,
    scopes,
    state,
    nonce,
    code_challenge,
    login_hint=None,
    prompt=None,
):
    """Return the address of Google's consent page.

    ``include_granted_scopes`` is left out on purpose: the same client may hold
    broader scopes for another part of Odoo.

    :param scopes: the full list wanted
    :param prompt: such as ``select_account consent``
    """
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "access_type": "offline",
        "state": state,
        "nonce": nonce,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
    }
    if login_hint:
        query["login_hint"] = login_hint
    if prompt:
        query["prompt"] = prompt
    return f"{endpoints.authorization}?{urlencode(query)}"


# ----------------------------------------------------------------------
# Tokens
# ----------------------------------------------------------------------


def exchange_code(
    transport,
    endpoints,
    *,
    client_id,
    client_secret,
    redirect_uri,
    code,
    verifier,
    now,
):
    """Exchange an authorization code for tokens.

    :param now: naive UTC
    :return: Tokens; without a refresh token when Google gave one before
    :raises errors.RequestRefused: the code is used, out of date or not ours (code
        ``code_refused``)
    :raises errors.AccessBlocked: the Workspace's administrator blocks the client
    :raises errors.GoogleError: otherwise as Google answered
    """
    try:
        return _token_request(
            transport,
            endpoints,
            {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "client_secret": client_secret,
                "redirect_uri": redirect_uri,
                "code": code,
                "code_verifier": verifier,
            },
            now,
        )
    except errors.AccessBlocked:
        raise
    except errors.ReconnectNeeded as error:
        raise errors.RequestRefused(
            "Google does not accept the code",
            status=error.status,
            reason=error.reason,
            kind="code_refused",
        ) from error


def refresh(transport, endpoints, *, client_id, client_secret, refresh_token, now):
    """Renew the access token.

    :param now: naive UTC
    :return: Tokens; ``refresh_token`` is set only when Google replaced it
    :raises errors.ReconnectNeeded: Google has ended the access
    :raises errors.AccessBlocked: a Workspace's administrator has
    :raises errors.ConfigurationWrong: client id or secret are wrong
    :raises errors.RetryLater: Google cannot answer now
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": refresh_token,
    }
    try:
        return _token_request(transport, endpoints, form, now)
    except errors.ConfigurationWrong as error:
        if error.reason != "unauthorized_client":
            raise
        # The client is known; the token was given to another one.
        raise errors.ReconnectNeeded(
            "the token is another client's",
            status=error.status,
            reason=error.reason,
            kind="client_changed",
        ) from error


def _token_request(transport, endpoints, form, now):
    answer = transport.request(
        "POST", endpoints.token, data=form, headers={"Accept": "application/json"}
    )
    if answer.status != 200:
        raise errors.from_token_response(answer.status, answer.headers, answer.body)
    try:
        content = json.loads(answer.body)
        return Tokens(
            access_token=_filled(content["access_token"]),
            expires_at=now + timedelta(seconds=int(content["expires_in"])),
            refresh_token=content.get("refresh_token") or None,
            scopes=frozenset(
                LONG_SPELLING.get(scope, scope)
                for scope in (content.get("scope") or "").split()
            ),
            id_token=content.get("id_token") or None,
            access_ends=_moment(now, content.get("refresh_token_expires_in")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise errors.RetryLater(
            "Google's token answer is incomplete", status=200, kind="token_answer"
        ) from error


def _moment(now, seconds):
    """Return when ``seconds`` from now are over, or None for no such limit."""
    return now + timedelta(seconds=int(seconds)) if seconds else None


def _filled(token):
    if not isinstance(token, str) or not token:
        raise ValueError("no token")
    return token


def revoke(transport, endpoints, token):
    """End the grant that ``token`` belongs to; one that has ended is fine too.

    :raises errors.GoogleError: as Google answered
    """
    answer = transport.request("POST", endpoints.revoke, data={"token": token})
    if answer.status == 200:
        return
    error = errors.from_token_response(answer.status, answer.headers, answer.body)
    if answer.status == 400 and error.reason in ("invalid_token", "invalid_grant"):
        return
    raise error


# ----------------------------------------------------------------------
# Is the client set up?
# ----------------------------------------------------------------------


def check_client(transport, endpoints, *, client_id, client_secret, redirect_uri):
    """Ask the token endpoint whether it knows the client and its secret.

    A code that cannot exist is offered: a known client is told that the code is
    wrong, an unknown one that the client is.

    :return: the seconds that this machine's clock is ahead of Google's, or None when
        Google does not say what time it is
    :raises errors.ConfigurationWrong: client id or secret are wrong
    :raises errors.RetryLater: Google cannot be asked now
    """
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "code": "4/0-none",
        "code_verifier": new_verifier(),
    }
    answer = transport.request("POST", endpoints.token, data=form)
    error = errors.from_token_response(answer.status, answer.headers, answer.body)
    # Here the redirect URI belongs to no code; check_redirect asks about it.
    if error.reason not in ("invalid_grant", "redirect_uri_mismatch"):
        raise error
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date") or "")
    except ValueError:
        return None
    return (datetime.now(timezone.utc) - theirs).total_seconds()


def check_redirect(transport, endpoints, *, client_id, redirect_uri, scopes):
    """Ask the authorization endpoint whether it would let a user in.

    Google sends a browser whose request it refuses to a page of its own,
    ``/signin/oauth/error?authError=…``, and any other to its sign-in; this is seen
    in practice, no contract of Google's.

    :return: Google's word for the refusal, such as ``redirect_uri_mismatch``, or ""
    :raises errors.RetryLater: Google cannot be asked now
    """
    url = authorization_url(
        endpoints,
        client_id=client_id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=secrets.token_urlsafe(16),
        nonce=secrets.token_urlsafe(16),
        code_challenge=challenge(new_verifier()),
    )
    answer = transport.request("GET", url)
    target = urlsplit(answer.headers.get("Location") or "")
    if target.path.endswith("/oauth/error"):
        packed = dict(parse_qsl(target.query)).get("authError", "")
        try:
            text = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        except ValueError:
            text = b""
        word = AUTHORIZATION_ERROR.search(text.decode("ascii", "replace"))
        return word[0] if word else "refused"
    if answer.status >= 500 or answer.status == 429:
        raise errors.RetryLater("Google cannot answer now", status=answer.status)
    return "refused" if answer.status >= 400 else ""


# ----------------------------------------------------------------------
# Who consented
# ----------------------------------------------------------------------


def same_address(one, other):
    """Whether two addresses reach the same Google account as they are written.

    At gmail.com dots do not count, and googlemail.com is the same domain (Google:
    "Dots don't matter in Gmail addresses").

    >>> same_address("anna.keller@googlemail.com", "AnnaKeller@gmail.com")
    True
    >>> same_address("anna.keller@corp.test", "annakeller@corp.test")
    False
    """
    return address_key(one) == address_key(other)


_certs_lock = threading.Lock()
_certs = {}


def _google_certs(transport, endpoints, *, fresh=False):
    """Return {key id: PEM}, kept as long as Google's Cache-Control says."""
    with _certs_lock:
        until, certs = _certs.get(endpoints.certs, (0.0, None))
    if certs and not fresh and time.monotonic() < until:
        return certs
    answer = transport.request("GET", endpoints.certs)
    if answer.status != 200:
        raise errors.RetryLater(
            "Google's certificates are not available", status=answer.status
        )
    try:
        certs = json.loads(answer.body)
    except ValueError:
        certs = None
    if not isinstance(certs, dict) or not all(
        isinstance(pem, str) for pem in certs.values()
    ):
        raise errors.RetryLater(
            "Google's certificates are not readable", status=200, kind="certs"
        )
    age = MAX_AGE.search(answer.headers.get("Cache-Control") or "")
    life = min(int(age[1]), CERTS_AT_MOST) if age else 0
    with _certs_lock:
        _certs[endpoints.certs] = (time.monotonic() + life, certs)
    return certs


def verify_id_token(transport, endpoints, id_token, *, client_id, nonce):
    """Return who consented.

    Signature, audience and life are checked by google-auth; issuer and nonce here.

    :raises errors.RequestRefused: the token is not Google's, not for this client or
        not for this attempt (code ``id_token``)
    :raises errors.RetryLater: Google's certificates are not available
    """
    claims = None
    # Keys that Google has just exchanged are not in the stored set yet.
    for fresh in (False, True):
        certs = _google_certs(transport, endpoints, fresh=fresh)
        try:
            claims = jwt.decode(
                id_token,
                certs=certs,
                audience=client_id,
                clock_skew_in_seconds=CLOCK_SKEW,
            )
            break
        except (
            google_exceptions.GoogleAuthError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            if fresh or not _unknown_key(id_token, certs):
                raise _bad_id_token() from error
    if claims.get("iss") not in ISSUERS or claims.get("aud") != client_id:
        raise _bad_id_token()
    if not hmac.compare_digest(
        str(claims.get("nonce") or "").encode(), str(nonce or "").encode()
    ):
        raise _bad_id_token()
    if not nonce or not claims.get("sub") or not claims.get("email"):
        raise _bad_id_token()
    return Identity(
        sub=str(claims["sub"]),
        email=str(claims["email"]),
        email_verified=claims.get("email_verified") in (True, "true"),
        hosted_domain=claims.get("hd") or None,
        name=claims.get("name") or None,
    )


def _unknown_key(id_token, certs):
    try:
        return jwt.decode_header(id_token).get("kid") not in certs
    except (google_exceptions.GoogleAuthError, ValueError, AttributeError, TypeError):
        return False


def _bad_id_token():
    return errors.RequestRefused(
        "Google's proof of identity does not hold", kind="id_token"
    )
