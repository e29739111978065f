"""Google's authorization, token, revocation and certificate pages."""

import hashlib
import hmac
import html
import json
import secrets
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from .store import CLIENT_ID, CLIENT_SECRET, b64

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
    f"{AUTH}contacts.readonly": "See and download your contacts",
    "https://mail.google.com/": "Read, compose, send and permanently delete your email",
}
LONG = {
    "email": f"{AUTH}userinfo.email",
    "profile": f"{AUTH}userinfo.profile",
}
CALLBACK = "/gmail_oauth_mailbox/callback"
KEY_ID = "standin-1"
CODE_LIFE = 600
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
    """The pair that signs id_tokens, with its certificate."""

    def __init__(self):
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
                    "kid": KEY_ID,
                    "n": number(self.numbers.n),
                    "e": number(self.numbers.e),
                }
            ]
        }

    def sign(self, claims):
        def piece(value):
            return b64(json.dumps(value).encode()).rstrip("=")

        header = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
        content = f"{piece(header)}.{piece(claims)}"
        signature = self.private.sign(
            content.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        return f"{content}.{b64(signature).rstrip('=')}"


class Refused(Exception):
    """The request is shown to the user as an error page, never sent back."""


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


class OAuth:
    """The pages and the token endpoints, on a store."""

    def __init__(self, store):
        self.store = store
        self.keys = Keys()

    # -- the user's pages ----------------------------------------------

    def check(self, query):
        """Return the request as a dict, or raise Refused."""

        def one(name, default=""):
            return (query.get(name) or [default])[0]

        if one("client_id") != CLIENT_ID:
            raise Refused("Error 401: invalid_client. The OAuth client was not found.")
        redirect = urlsplit(one("redirect_uri"))
        if (
            redirect.scheme != "http"
            or redirect.hostname not in ("127.0.0.1", "localhost")
            or redirect.path != CALLBACK
            or redirect.query
            or redirect.fragment
        ):
            raise Refused("Error 400: redirect_uri_mismatch")
        if one("response_type") != "code":
            raise Refused("Error 400: invalid_request. Response type must be code.")
        scopes = one("scope").split()
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise Refused("Error 400: invalid_scope")
        if one("code_challenge_method") != "S256" or len(one("code_challenge")) != 43:
            raise Refused("Error 400: invalid_request. PKCE with S256 is required.")
        if one("access_type", "online") not in ("online", "offline"):
            raise Refused("Error 400: invalid_request. Invalid access_type.")
        prompts = one("prompt").split()
        if set(prompts) - {"none", "consent", "select_account"}:
            raise Refused("Error 400: invalid_request. Invalid prompt.")
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
        key = secrets.token_urlsafe(16)
        self.store.pages[key] = request
        if request["hint"] in self.store.accounts and (
            "select_account" not in request["prompts"]
        ):
            return self.after_choice(key, request, request["hint"])
        return self.chooser(key, request)

    def chooser(self, key, request):
        known = list(self.store.accounts.values())
        known.sort(key=lambda a: a.email != request["hint"])
        rows = "".join(
            "<form method=post action=/standin/choose>"
            f"{hidden(key=key, email=a.email)}"
            f"<button class=account data-email='{a.email}'><b>{html.escape(a.name)}</b>"
            f"<small>{a.email}</small></button></form>"
            for a in known
        )
        return page(
            "Choose an account",
            f"<p>to continue to <b>Odoo</b></p>{rows}"
            f"<form method=post action=/standin/cancel>{hidden(key=key)}"
            "<p><button>Cancel</button></p></form>",
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
        if not account:
            raise Refused("Couldn't find your Google Account.")
        request["account"] = address
        if account.two_step and not account.verified:
            return page(
                "2-Step Verification",
                f"<p>{address}</p><p>Google sent a notification to your phone. Tap "
                "<b>Yes</b> there, then continue.</p>"
                "<form method=post action=/standin/verify class=row>"
                f"{hidden(key=key)}<button class=primary id=verify>"
                "Yes, it's me</button>"
                "</form>",
            )
        return self.consent(key, request)

    def verify(self, form):
        key, request = self.request_of(form)
        self.store.accounts[request["account"]].verified = True
        return self.consent(key, request)

    def consent(self, key, request):
        rows = "".join(
            f"<label><input type=checkbox name=scope value='{scope}' checked>"
            f"<span>{html.escape(SCOPES[scope])}<small>{scope}</small></span></label>"
            for scope in request["scopes"]
            if SCOPES[scope]
        )
        return page(
            "Odoo wants access to your Google Account",
            f"<p>{request['account']}</p><p>Select what Odoo can access</p>"
            f"<form method=post action=/standin/consent>{hidden(key=key)}{rows}"
            "<div class=row style='display:flex;gap:12px;margin-top:24px'>"
            "<button class=primary id=allow>Continue</button>"
            "<button id=cancel formaction=/standin/cancel>Cancel</button></div></form>",
        )

    def allow(self, form):
        """Return the redirect with the code."""
        key, request = self.request_of(form)
        del self.store.pages[key]
        ticked = set(form.get("scope") or ())
        granted = [s for s in request["scopes"] if not SCOPES[s] or s in ticked]
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
        return f"{request['redirect_uri']}?{urlencode(values)}"

    # -- tokens --------------------------------------------------------

    def token(self, form):
        """Return (status, JSON) of the token endpoint."""

        def one(name):
            return (form.get(name) or [""])[0]

        if one("client_id") != CLIENT_ID or not hmac.compare_digest(
            one("client_secret"), CLIENT_SECRET
        ):
            return 401, {
                "error": "invalid_client",
                "error_description": "The provided client secret is invalid.",
            }
        if one("grant_type") == "authorization_code":
            return self.exchange(one)
        if one("grant_type") == "refresh_token":
            return self.refresh(one)
        return 400, {
            "error": "unsupported_grant_type",
            "error_description": f"Invalid grant_type: {one('grant_type')}",
        }

    def exchange(self, one):
        request = self.store.codes.pop(one("code"), None)
        malformed = {
            "error": "invalid_grant",
            "error_description": "Malformed auth code.",
        }
        if not request or self.store.now() - request["at"] > CODE_LIFE:
            return 400, malformed
        if one("redirect_uri") != request["redirect_uri"]:
            return 400, {
                "error": "redirect_uri_mismatch",
                "error_description": "Bad Request",
            }
        digest = hashlib.sha256(one("code_verifier").encode()).digest()
        if b64(digest).rstrip("=") != request["challenge"]:
            return 400, {
                "error": "invalid_grant",
                "error_description": "Invalid code verifier.",
            }
        account = self.store.accounts[request["account"]]
        first = account.sub not in self.store.grants
        grant = self.store.grant(account, request["scopes"])
        answer = self.tokens(grant)
        if request["offline"] and (first or "consent" in request["prompts"]):
            answer["refresh_token"] = self.store.new_refresh_token(grant)
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
            keys = Keys() if self.store.lies.get("foreign_key") else self.keys
            answer["id_token"] = keys.sign(claims)
        for name in self.store.lies.get("withheld", ()):
            answer.pop(name, None)
        return 200, answer

    def refresh(self, one):
        grant = self.store.grant_of_refresh(one("refresh_token"))
        if not grant:
            return 400, {
                "error": "invalid_grant",
                "error_description": "Token has been expired or revoked.",
            }
        answer = self.tokens(grant)
        if self.store.rotate_refresh_tokens:
            grant.refresh_tokens.discard(one("refresh_token"))
            answer["refresh_token"] = self.store.new_refresh_token(grant)
        return 200, answer

    def tokens(self, grant):
        return {
            "access_token": self.store.new_access_token(grant),
            "expires_in": self.store.token_lifetime,
            "scope": " ".join(sorted(LONG.get(s, s) for s in grant.scopes)),
            "token_type": "Bearer",
        }

    def revoke(self, form, query):
        token = (form.get("token") or query.get("token") or [""])[0]
        if self.store.revoke(token):
            return 200, {}
        return 400, {
            "error": "invalid_token",
            "error_description": "Token expired or revoked",
        }
