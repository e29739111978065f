"""Tokens open only with the right key and in the right place."""

import stat
import threading

import pytest
from cryptography.fernet import Fernet

from odoo.addons.gmail_oauth_mailbox.lib import crypto, errors

CONTEXT = {
    "database_uuid": "db",
    "mailbox_id": 7,
    "sub": "1",
    "origin": "https://accounts.google.com",
}
TOKEN = "1//refresh-tokén"


@pytest.fixture
def keys():
    return [Fernet.generate_key().decode()]


def test_round_trip(keys):
    cipher = crypto.TokenCipher(keys)
    sealed = cipher.seal(TOKEN, context=CONTEXT)
    assert isinstance(sealed, str)
    assert "refresh" not in sealed
    assert cipher.open(sealed, context=dict(reversed(CONTEXT.items()))) == TOKEN
    assert cipher.open(cipher.seal(b"abc", context={}), context={}) == "abc"
    assert cipher.seal(TOKEN, context=CONTEXT) != sealed


@pytest.mark.parametrize("name", sorted(CONTEXT))
def test_a_moved_token_is_refused(keys, name):
    cipher = crypto.TokenCipher(keys)
    sealed = cipher.seal(TOKEN, context=CONTEXT)
    for moved in (
        {**CONTEXT, name: "other"},
        {k: v for k, v in CONTEXT.items() if k != name},
    ):
        with pytest.raises(errors.TokenContextMismatch) as caught:
            cipher.open(sealed, context=moved)
        assert TOKEN not in str(caught.value)


def test_a_number_is_not_its_text(keys):
    cipher = crypto.TokenCipher(keys)
    sealed = cipher.seal(TOKEN, context=CONTEXT)
    with pytest.raises(errors.TokenContextMismatch):
        cipher.open(sealed, context={**CONTEXT, "mailbox_id": "7"})


@pytest.mark.parametrize("damage", ["", "x", None, False, "gAAAA", "é"])
def test_what_no_key_opens(keys, damage):
    with pytest.raises(errors.KeyMissing):
        crypto.TokenCipher(keys).open(damage, context={})


def test_a_changed_ciphertext_does_not_open(keys):
    cipher = crypto.TokenCipher(keys)
    sealed = cipher.seal(TOKEN, context=CONTEXT)
    for position in range(12, len(sealed) - 2, 7):
        other = "A" if sealed[position] != "A" else "B"
        changed = sealed[:position] + other + sealed[position + 1 :]
        with pytest.raises(errors.KeyMissing):
            cipher.open(changed, context=CONTEXT)


def test_rotation(keys):
    """A new first key seals, the old one still opens, until all is rotated."""
    new = Fernet.generate_key().decode()
    sealed = crypto.TokenCipher(keys).seal(TOKEN, context=CONTEXT)
    both = crypto.TokenCipher([new, *keys])
    assert both.open(sealed, context=CONTEXT) == TOKEN
    rotated = both.rotate(sealed)
    assert crypto.TokenCipher([new]).open(rotated, context=CONTEXT) == TOKEN
    with pytest.raises(errors.KeyMissing):
        crypto.TokenCipher([new]).open(sealed, context=CONTEXT)
    with pytest.raises(errors.KeyMissing):
        crypto.TokenCipher([new]).rotate(sealed)


def test_fingerprints_tell_keys_apart(keys):
    other = Fernet.generate_key().decode()
    assert crypto.fingerprint(keys) == crypto.fingerprint(list(keys))
    assert crypto.fingerprint(keys) != crypto.fingerprint([other])
    assert keys[0] not in crypto.fingerprint(keys)


def test_keys_from_text(keys):
    other = Fernet.generate_key().decode()
    assert crypto.load_keys(f" {keys[0]}, {other}\n", None) == [keys[0], other]
    with pytest.raises(errors.KeyMissing):
        crypto.load_keys("short", None)


def test_key_file(tmp_path):
    path = str(tmp_path / "data" / "our.key")
    with pytest.raises(errors.KeyMissing):
        crypto.load_keys(None, path)
    assert not (tmp_path / "data").exists()
    keys = crypto.load_keys("", path, create=True)
    assert crypto.load_keys(None, path) == keys
    assert crypto.load_keys(None, path, create=True) == keys
    mode = (tmp_path / "data" / "our.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["our.key"]


def test_an_empty_key_file_is_never_replaced(tmp_path):
    path = tmp_path / "our.key"
    path.write_text("")
    with pytest.raises(errors.KeyMissing):
        crypto.load_keys(None, str(path), create=True)
    assert path.read_text() == ""


def test_workers_that_start_together_share_one_key(tmp_path):
    path, found = str(tmp_path / "our.key"), []
    gate = threading.Barrier(8)

    def start():
        gate.wait()
        found.append(tuple(crypto.load_keys(None, path, create=True)))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
