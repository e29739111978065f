"""Google's authorization, token, revocation and certificate pages."""

import hashlib
import hmac
import html
import io
import json
import re
import secrets
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from werkzeug.wrappers import Response

from .store import CLIENT_ID, b64, unb64

AUTH = "https://www.googleapis.com/auth/"
SCOPES = {
    "openid": None,
    "email": None,
    f"{AUTH}userinfo.email": None,
    "profile": None,
    f"{AUTH}userinfo.profile": None,
    f"{AUTH}gmail.readonly": "View your email messages and settings",
    f"{AUTH}gmail.send": "Send email on your behalf",
    f"{AUTH}gmail.modify": "Read, compose and send emails from your Gmail account",
    f"{AUTH}gmail.compose": "Manage drafts and send emails",
    f"{AUTH}gmail.insert": "Add emails into your Gmail mailbox",
    f"{AUTH}gmail.labels": "See and edit your email labels",
    f"{AUTH}contacts": "See, edit, download, and permanently delete your contacts",
    f"{AUTH}contacts.readonly": "See and download your contacts",
    "https://mail.google.com/": "Read, compose, send and permanently delete your email",
}
LONG = {
    "email": f"{AUTH}userinfo.email",
    "profile": f"{AUTH}userinfo.profile",
}
CALLBACK = "/gmail_oauth_mailbox/callback"
CODE_LIFE = 600
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
HELP = "https://developers.google.com/identity/protocols/oauth2/web-server"
INVALID = "Access blocked: This app's request is invalid"
FORBIDDEN = "Access blocked: Authorization Error"
# Error code -> (status that the page names, its heading, its sentence).
BLOCKED = {
    "redirect_uri_mismatch": (
        400,
        INVALID,
        "You can't sign in to this app because it doesn't comply with Google's OAuth "
        "2.0 policy. If you're the app developer, register the redirect URI in the "
        "Google Cloud Console.",
    ),
    "invalid_client": (401, FORBIDDEN, "The OAuth client was not found."),
    "invalid_request": (
        400,
        FORBIDDEN,
        "You can't sign in to this app because it doesn't comply with Google's OAuth "
        "2.0 policy for keeping apps secure.",
    ),
    "invalid_scope": (400, FORBIDDEN, "Some requested scopes were invalid."),
    "unsupported_response_type": (400, FORBIDDEN, "Invalid response_type."),
    "org_internal": (
        403,
        "Access blocked: Odoo can only be used within its organization",
        "If you think you should have access, you can contact the developer.",
    ),
    "admin_policy_enforced": (
        400,
        "Access blocked: Your institution's admin needs to review Odoo",
        "Your institution's admin must approve this app before you can use it.",
    ),
}
STYLE = """
body{margin:0;background:#f0f4f9;color:#1f1f1f;font:16px/1.5 system-ui,sans-serif}
main{background:#fff;border-radius:28px;margin:6vh auto;max-width:520px;padding:36px}
h1{font-weight:400;font-size:28px;margin:8px 0 4px}p{color:#444746}
.mark{background:#fff3cd;color:#5c4400;padding:8px;text-align:center;font-size:14px}
button,.b{border:0;border-radius:20px;padding:10px 24px;font:inherit;cursor:pointer}
button.primary{background:#0b57d0;color:#fff}button{background:#e8eef7;color:#0b57d0}
.account{display:block;width:100%;text-align:left;background:#fff;color:#1f1f1f;
border-bottom:1px solid #dadce0;border-radius:0;padding:14px 4px}
label{display:flex;gap:12px;padding:10px 0;border-bottom:1px solid #e3e3e3}
small{color:#5f6368;display:block}form.row{display:flex;gap:12px;margin-top:24px}
input[type=email]{font:inherit;padding:10px;width:100%;box-sizing:border-box}
"""


class Keys:
    """The pair that signs id_tokens, with its certificate.

    :param kid: of the pair in whose place it stands; else one of its own, as whoever
        stored the certificates of another stand-in at this address must not take them
    """

    def __init__(self, kid=None):
        self.kid = kid or secrets.token_hex(20)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .sign(self.private, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.numbers = self.private.public_key().public_numbers()

    def jwks(self):
        def number(value):
            return b64(value.to_bytes((value.bit_length() + 7) // 8)).rstrip("=")

        return {
            "keys": [
                {
                    "kty": "RSA",
                    "alg": "RS256",
                    "use": "sig",
                    "kid": self.kid,
                    "n": number(self.numbers.n),
                    "e": number(self.numbers.e),
                }
            ]
        }

    def sign(self, claims):
        def piece(value):
            return b64(json.dumps(value).encode()).rstrip("=")

        header = {"alg": "RS256", "kid": self.kid, "typ": "JWT"}
        content = f"{piece(header)}.{piece(claims)}"
        signature = self.private.sign(
            content.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        return f"{content}.{b64(signature).rstrip('=')}"


class Refused(Exception):
    """The request is shown to the user as an error page, never sent back."""


class Blocked(Exception):
    """Google's error page for an authorization that it refuses.

    :ivar location: its path with the error, in the form that Google gives it
    """

    def __init__(self, code, text="", client_id=CLIENT_ID):
        status, _heading, sentence = BLOCKED[code]
        super().__init__(code)
        # A protocol buffer: code, sentence, help, status.
        error = b"".join(
            bytes([8 * number + 2]) + varint(len(value)) + value
            for number, value in enumerate(
                (code.encode(), (text or sentence).encode(), HELP.encode()), start=1
            )
        )
        error += bytes([8 * 4]) + varint(status)
        query = {
            "authError": b64(error).rstrip("="),
            "client_id": client_id,
            "flowName": "GeneralOAuthFlow",
        }
        self.location = f"/signin/oauth/error?{urlencode(query)}"


def varint(number):
    """Return a number as protocol buffers hold it."""
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def read_varint(stream):
    byte = stream.read(1)[0]
    return byte & 127 | (read_varint(stream) << 7 if byte > 127 else 0)


def read_text(stream):
    """Return the next field of a protocol buffer, a text."""
    stream.read(1)
    return stream.read(read_varint(stream)).decode()


def error_page(encoded):
    """Return the page of :class:`Blocked`, from its ``authError``."""
    try:
        stream = io.BytesIO(unb64(encoded))
        code, sentence = read_text(stream), read_text(stream)
        status, heading, _sentence = BLOCKED[code]
    except (ValueError, IndexError, KeyError) as problem:
        raise Refused("400. That's an error.") from problem
    return page(
        heading,
        f"<p>{html.escape(sentence)}</p>"
        "<p>If you are a developer of this app, see error details.</p>"
        f"<p id=error>Error {status}: {code}</p>",
    )


def shown(text, status=200):
    return Response(text, status=status, mimetype="text/html")


def sent(location):
    return Response(status=302, headers={"Location": location})


def page(title, body):
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        "<div class=mark>Stand-in for Google: nothing here is real.</div>"
        f"<main><h1>{html.escape(title)}</h1>{body}</main></body></html>"
    )


def hidden(**values):
    return "".join(
        f"<input type=hidden name={name} value='{html.escape(value, quote=True)}'>"
        for name, value in values.items()
    )


def invalid_grant(text, **more):
    """Return (status, JSON) for a code or a token that is good for nothing."""
    return 400, {"error": "invalid_grant", "error_description": text, **more}


def invalid_scopes(asked, invalid):
    """Return the sentence about scopes, with the lists that Google puts into it."""
    valid = [scope for scope in asked if scope not in invalid]
    return (
        "Some requested scopes were invalid. "
        f"{{valid=[{', '.join(valid)}], invalid=[{', '.join(invalid)}]}}"
    )


class OAuth:
    """The pages and the token endpoints, on a store."""

    def __init__(self, store):
        self.store = store
        self.keys = Keys()

    # -- the user's pages ----------------------------------------------

    def registered(self, address):
        """Whether a redirect URI is one that the client may use."""
        known = self.store.redirect_uris
        if known is not None:
            return address in known
        parts = urlsplit(address)
        return (
            parts.scheme == "http"
            and parts.hostname in ("127.0.0.1", "localhost")
            and parts.path == CALLBACK
            and not parts.query
            and not parts.fragment
        )

    def check(self, query):
        """Return the request as a dict, or raise Blocked."""

        def one(name, default=""):
            return (query.get(name) or [default])[0]

        if not one("client_id"):
            text = "Missing required parameter: client_id"
            raise Blocked("invalid_request", text, "")
        if one("client_id") != CLIENT_ID:
            raise Blocked("invalid_client", client_id=one("client_id"))
        if not self.registered(one("redirect_uri")):
            raise Blocked("redirect_uri_mismatch")
        if one("response_type") != "code":
            raise Blocked(
                "unsupported_response_type"
                if one("response_type")
                else "invalid_request"
            )
        scopes = one("scope").split()
        if not scopes:
            raise Blocked("invalid_request", "Missing required parameter: scope")
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown:
            raise Blocked("invalid_scope", invalid_scopes(scopes, unknown))
        if one("code_challenge_method") != "S256":
            text = (
                "Invalid parameter value for code_challenge_method: S256 is required."
            )
            raise Blocked("invalid_request", text)
        if not CHALLENGE.fullmatch(one("code_challenge")):
            text = "Invalid parameter value for code_challenge: not a SHA-256 digest."
            raise Blocked("invalid_request", text)
        if one("access_type", "online") not in ("online", "offline"):
            text = "Invalid parameter value for access_type."
            raise Blocked("invalid_request", text)
        prompts = set(one("prompt").split())
        if prompts - {"none", "consent", "select_account"} or (
            "none" in prompts and len(prompts) > 1
        ):
            raise Blocked("invalid_request", "Invalid parameter value for prompt.")
        return {
            "redirect_uri": one("redirect_uri"),
            "state": one("state"),
            "nonce": one("nonce"),
            "scopes": scopes,
            "challenge": one("code_challenge"),
            "offline": one("access_type") == "offline",
            "prompts": prompts,
            "hint": one("login_hint").lower(),
            "at": self.store.now(),
        }

    def start(self, query):
        request = self.check(query)
        if "none" in request["prompts"]:
            return self.unseen(request)
        key = secrets.token_urlsafe(16)
        self.store.pages[key] = request
        if request["hint"] in self.store.accounts and (
            "select_account" not in request["prompts"]
        ):
            return self.after_choice(key, request, request["hint"])
        return self.chooser(key, request)

    def unseen(self, request):
        """Answer without a page (OpenID Connect 3.1.2.6)."""
        account = self.store.accounts.get(request["hint"])
        if not account or account.deleted:
            return self.answer(request, error="login_required")
        grant = self.store.grants.get(account.sub)
        if not grant or not grant.scopes.issuperset(request["scopes"]):
            return self.answer(request, error="interaction_required")
        self.admit(account)
        request["account"] = account
        return self.code(request, request["scopes"])

    def chooser(self, key, request):
        known = [a for a in self.store.accounts.values() if not a.deleted]
        known.sort(key=lambda a: a.email != request["hint"])
        rows = "".join(
            "<form method=post action=/standin/choose>"
            f"{hidden(key=key, email=a.email)}"
            f"<button class=account data-email='{a.email}'><b>{html.escape(a.name)}</b>"
            f"<small>{a.email}</small></button></form>"
            for a in known
        )
        return shown(
            page(
                "Choose an account",
                f"<p>to continue to <b>Odoo</b></p>{rows}"
                f"<form method=post action=/standin/cancel>{hidden(key=key)}"
                "<p><button>Cancel</button></p></form>",
            )
        )

    def request_of(self, form):
        key = (form.get("key") or [""])[0]
        request = self.store.pages.get(key)
        if not request or self.store.now() - request["at"] > CODE_LIFE:
            raise Refused("This page has expired. Go back to Odoo and begin again.")
        return key, request

    def choose(self, form):
        key, request = self.request_of(form)
        return self.after_choice(key, request, (form.get("email") or [""])[0].lower())

    def after_choice(self, key, request, address):
        account = self.store.accounts.get(address)
        if not account or account.deleted:
            raise Refused("Couldn't find your Google Account.")
        self.admit(account)
        request["account"] = account
        if account.two_step and not account.verified:
            return shown(
                page(
                    "2-Step Verification",
                    f"<p>{address}</p><p>Google sent a notification to your phone. Tap "
                    "<b>Yes</b> there, then continue.</p>"
                    "<form method=post action=/standin/verify class=row>"
                    f"{hidden(key=key)}<button class=primary id=verify>"
                    "Yes, it's me</button>"
                    "</form>",
                )
            )
        return self.consent(key, request)

    def admit(self, account):
        """Raise Blocked when the account may not use this client."""
        internal = self.store.internal
        if internal and account.hosted_domain != internal:
            raise Blocked("org_internal")
        if account.blocked:
            raise Blocked("admin_policy_enforced")

    def verify(self, form):
        key, request = self.request_of(form)
        request["account"].verified = True
        return self.consent(key, request)

    def consent(self, key, request):
        rows = "".join(
            f"<label><input type=checkbox name=scope value='{scope}' checked>"
            f"<span>{html.escape(SCOPES[scope])}<small>{scope}</small></span></label>"
            for scope in request["scopes"]
            if SCOPES[scope]
        )
        return shown(
            page(
                "Odoo wants access to your Google Account",
                f"<p>{request['account'].email}</p><p>Select what Odoo can access</p>"
                f"<form method=post action=/standin/consent>{hidden(key=key)}{rows}"
                "<div class=row style='display:flex;gap:12px;margin-top:24px'>"
                "<button class=primary id=allow>Continue</button>"
                "<button id=cancel formaction=/standin/cancel>Cancel</button></div>"
                "</form>",
            )
        )

    def allow(self, form):
        """Return the redirect with the code."""
        key, request = self.request_of(form)
        del self.store.pages[key]
        ticked = set(form.get("scope") or ())
        granted = [s for s in request["scopes"] if not SCOPES[s] or s in ticked]
        return self.code(request, granted)

    def code(self, request, granted):
        code = f"4/0A{secrets.token_urlsafe(40)}"
        self.store.codes[code] = {**request, "scopes": granted, "at": self.store.now()}
        scope = " ".join(LONG.get(s, s) for s in granted)
        return self.answer(request, code=code, scope=scope)

    def cancel(self, form):
        key, request = self.request_of(form)
        del self.store.pages[key]
        return self.answer(request, error="access_denied")

    def answer(self, request, **values):
        values = {
            "state": request["state"],
            "iss": "https://accounts.google.com",
            **values,
            **self.store.lies.get("callback", {}),
        }
        mark = "&" if urlsplit(request["redirect_uri"]).query else "?"
        return sent(f"{request['redirect_uri']}{mark}{urlencode(values)}")

    # -- tokens --------------------------------------------------------

    def token(self, form):
        """Return (status, JSON) of the token endpoint."""

        def one(name):
            return (form.get(name) or [""])[0]

        secret, expected = one("client_secret"), self.store.client_secret
        wrong = None
        if one("client_id") != CLIENT_ID:
            wrong = "The OAuth client was not found."
        elif not hmac.compare_digest(secret.encode(), expected.encode()):
            wrong = "The provided client secret is invalid."
        if wrong:
            return 401, {"error": "invalid_client", "error_description": wrong}
        if one("grant_type") == "authorization_code":
            return self.exchange(one)
        if one("grant_type") == "refresh_token":
            return self.refresh(one)
        return 400, {
            "error": "unsupported_grant_type",
            "error_description": f"Invalid grant_type: {one('grant_type')}",
        }

    def exchange(self, one):
        code = one("code")
        request = self.store.codes.get(code)
        if not request:
            return invalid_grant("Malformed auth code.")
        if request.get("used"):
            self.store.forget_code(code)
            return invalid_grant("Bad Request")
        request["used"] = True
        if self.store.now() - request["at"] > CODE_LIFE:
            return invalid_grant("Bad Request")
        redirect = one("redirect_uri")
        if redirect != request["redirect_uri"] or not self.registered(redirect):
            return 400, {
                "error": "redirect_uri_mismatch",
                "error_description": "Bad Request",
            }
        digest = hashlib.sha256(one("code_verifier").encode()).digest()
        if b64(digest).rstrip("=") != request["challenge"]:
            return invalid_grant("Invalid code verifier.")
        account, scopes = request["account"], request["scopes"]
        first = account.sub not in self.store.grants
        grant = self.store.grant(account, scopes)
        answer = self.tokens(grant, scopes, code)
        if request["offline"] and (first or "consent" in request["prompts"]):
            token = self.store.new_refresh_token(grant, scopes, code)
            answer["refresh_token"] = token
            answer.update(self.remaining(grant.refresh_tokens[token]))
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "azp": CLIENT_ID,
            "aud": CLIENT_ID,
            "sub": account.sub,
            "email": account.email,
            "email_verified": account.email_verified,
            "name": account.name,
            "at_hash": b64(
                hashlib.sha256(answer["access_token"].encode()).digest()[:16]
            ).rstrip("="),
            "iat": now,
            "exp": now + 3600,
        }
        if request["nonce"]:
            claims["nonce"] = request["nonce"]
        if account.hosted_domain:
            claims["hd"] = account.hosted_domain
        claims.update(self.store.lies.get("claims", {}))
        if "openid" in request["scopes"]:
            keys = self.keys
            if self.store.lies.get("foreign_key"):
                keys = Keys(self.keys.kid)
            answer["id_token"] = keys.sign(claims)
        for name in self.store.lies.get("withheld", ()):
            answer.pop(name, None)
        return 200, answer

    def refresh(self, one):
        name = one("refresh_token")
        found = self.store.refreshable(name)
        if not found:
            return invalid_grant("Token has been expired or revoked.")
        grant, token = found
        if grant.account.deleted:
            return invalid_grant("Account has been deleted")
        if grant.account.blocked:
            return 400, {
                "error": "admin_policy_enforced",
                "error_description": "Access to your account data is restricted by "
                "policies within your organization. Please contact the administrator "
                "of your organization for more information.",
            }
        if grant.account.rapt:
            text = "reauth related error (invalid_rapt)"
            return invalid_grant(text, error_subtype="invalid_rapt")
        known = {LONG.get(s, s): s for s in token.scopes}
        asked = [LONG.get(s, s) for s in one("scope").split()] or list(known)
        wider = [s for s in asked if s not in known]
        if wider:
            text = invalid_scopes(asked, wider)
            return 400, {"error": "invalid_scope", "error_description": text}
        token.used = self.store.now()
        answer = self.tokens(grant, [known[s] for s in asked], token.code)
        answer.update(self.remaining(token))
        if self.store.rotate_refresh_tokens:
            answer["refresh_token"] = self.store.rotate(grant, name)
        return 200, answer

    def tokens(self, grant, scopes, code):
        return {
            "access_token": self.store.new_access_token(grant, scopes, code),
            "expires_in": self.store.token_lifetime,
            "scope": " ".join(sorted(LONG.get(s, s) for s in scopes)),
            "token_type": "Bearer",
        }

    def remaining(self, token):
        """Return how long a refresh token lives, if it has an end."""
        if token.expires is None:
            return {}
        return {"refresh_token_expires_in": round(token.expires - self.store.now())}

    def revoke(self, form, query):
        token = (form.get("token") or query.get("token") or [""])[0]
        if self.store.revoke(token):
            return 200, {}
        return 400, {
            "error": "invalid_token",
            "error_description": "Token expired or revoked",
        }
