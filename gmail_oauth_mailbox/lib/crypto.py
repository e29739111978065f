"""Encryption of stored tokens.

A sealed token is a Fernet token (AES-128-CBC with HMAC-SHA256; cryptography's
specification) around the JSON ``{"v": 1, "token": …, "context": {…}}``. The context
says which database, mailbox, Google account and origin it belongs to; it is compared
when the token is opened, so that a ciphertext copied elsewhere opens nowhere.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from . import errors

VERSION = 1


def load_keys(text, key_file, create=False):
    """Return the keys of this host as a list of str, the one for sealing first.

    :param text: keys from environment or configuration, by commas or blanks; it
        goes before the file
    :param key_file: path of the file, read when ``text`` is empty
    :param create: make the file, mode 0600, when there is none
    :raises errors.KeyMissing: no key, or one that is not a Fernet key
    """
    if not (text or "").strip():
        text = _read_or_create(key_file, create)
    keys = [key for key in re.split(r"[\s,]+", text) if key]
    if not keys:
        raise errors.KeyMissing("this host holds no key")
    for key in keys:
        try:
            Fernet(key)
        except (ValueError, binascii.Error) as error:
            raise errors.KeyMissing(
                "a key of this host is not valid", kind="key_invalid"
            ) from error
    return keys


def _read_or_create(path, create):
    for _attempt in range(2):
        with contextlib.suppress(FileNotFoundError):
            try:
                with open(path, encoding="ascii") as file:
                    return file.read()
            except (UnicodeDecodeError, PermissionError, IsADirectoryError) as error:
                raise errors.KeyMissing("the key file cannot be read") from error
        if not create:
            break
        try:
            _create(path)
        except OSError as error:
            raise errors.KeyMissing(
                "the key file cannot be made", kind="key_unwritable"
            ) from error
    raise errors.KeyMissing("this host holds no key")


def _create(path):
    """Make the key file, unless another process is quicker.

    It is written under another name and then linked, so that nobody ever reads a
    half-written one; the link fails when the name is taken.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    draft = f"{path}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def check_creatable(path):
    """Check that the key file could be made.

    :raises errors.KeyMissing: its folder is not writable
    """
    folder = os.path.dirname(path)
    while folder and not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.access(folder or ".", os.W_OK | os.X_OK):
        raise errors.KeyMissing("the key file cannot be made", kind="key_unwritable")


def set_aside(path):
    """Rename a key file that is no use, so that another can be made.

    :raises errors.KeyMissing: its folder is not writable
    """
    try:
        os.rename(path, f"{path}.{secrets.token_hex(4)}.unusable")
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.KeyMissing(
            "the key file cannot be renamed", kind="key_unwritable"
        ) from error


def remove_key_file(path):
    """Remove the key file, where there is one."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def fingerprint(keys):
    """Return what tells keys apart and gives nothing away, as hexadecimal text."""
    digest = hashlib.sha256(b"gmail_oauth_mailbox token keys")
    for key in keys:
        digest.update(b"\0" + base64.urlsafe_b64decode(key))
    return digest.hexdigest()[:32]


class TokenCipher:
    """Seals tokens with the first key and opens them with any.

    :param keys: as ``load_keys`` returns them
    :ivar fingerprint: of the key that seals
    """

    def __init__(self, keys):
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self.fingerprint = fingerprint(keys[:1])

    def seal(self, token, *, context):
        """Return ``token`` (str or bytes) encrypted, as ASCII text.

        :param context: what the token is bound to; a dict of plain values
        """
        if isinstance(token, bytes):
            token = token.decode()
        content = {"v": VERSION, "token": token, "context": context}
        return self._fernet.encrypt(_canonical(content)).decode()

    def open(self, sealed, *, context):
        """Return the token as str.

        :raises errors.KeyMissing: no key of this host opens it
        :raises errors.TokenContextMismatch: it was sealed for something else
        """
        try:
            content = json.loads(self._fernet.decrypt(sealed))
        except (InvalidToken, TypeError, ValueError) as error:
            raise errors.KeyMissing("no key of this host opens the token") from error
        if content.get("v") != VERSION or not hmac.compare_digest(
            _canonical(content.get("context")), _canonical(context)
        ):
            raise errors.TokenContextMismatch("the token belongs to somewhere else")
        return content["token"]

    def rotate(self, sealed):
        """Return ``sealed`` encrypted anew with the first key, its context kept.

        :raises errors.KeyMissing: no key of this host opens it
        """
        try:
            return self._fernet.rotate(sealed).decode()
        except (InvalidToken, TypeError, ValueError) as error:
            raise errors.KeyMissing("no key of this host opens the token") from error


def _canonical(content):
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode()
