import hashlib
import logging
import os
import re
from contextlib import suppress
from functools import partial

from odoo import api, models
from odoo.tools import config, ormcache

from ..lib import crypto, errors

_logger = logging.getLogger(__name__)

KEYS_VARIABLE = "GMAIL_OAUTH_MAILBOX_KEYS"
FINGERPRINT = "gmail_oauth_mailbox.key_fingerprint"
KEY_NAME = "gmail_oauth_mailbox.key_name"
IDENTITY = "gmail_oauth_mailbox.database_identity"
# Rows per transaction when tokens are encrypted anew.
ROTATION_STEP = 200


class GmailKeys(models.AbstractModel):
    """The keys of the tokens, on this host and for this database: made, rotated, lost;
    and whether this database is the one that the tokens are for. It handles
    ciphertexts only."""

    _name = "gmail.keys"
    _description = "Gmail Keys"

    def _param(self, name):
        return self.env["ir.config_parameter"].sudo().get_param(name) or ""

    # ------------------------------------------------------------------
    # This host and this database
    # ------------------------------------------------------------------

    @api.model
    @ormcache()
    def _database_identity(self):
        """Return what tells this database from a copy of it: the cluster's identifier
        and the database's oid.

        A new name keeps both; a copy or a restored dump does not. A physical copy of
        the whole cluster does: neutralize that one.
        """
        cr = self.env.cr
        cr.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        (oid,) = cr.fetchone()
        cr.execute("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        cluster = 0
        if cr.fetchone()[0]:
            cr.execute("SELECT system_identifier FROM pg_control_system()")
            (cluster,) = cr.fetchone()
        return f"{cluster}/{oid}"

    @api.model
    def _is_copy(self):
        """Whether this database was copied from the one that its tokens are for."""
        if not self._param(FINGERPRINT):
            return False
        return self._param(IDENTITY) != self._database_identity()

    @api.model
    def _server_keys(self):
        """Return the keys that the server's configuration sets, or ""."""
        return (
            os.environ.get(KEYS_VARIABLE)
            or config.get("gmail_oauth_mailbox_keys")
            or ""
        ).strip()

    @api.model
    def _key_file(self):
        """Return the path of this database's key file, in Odoo's data directory."""
        name = re.sub(r"[^0-9A-Za-z-]", "_", self._key_name())
        return os.path.join(config["data_dir"], "gmail_oauth_mailbox", f"{name}.key")

    @api.model
    def _key_name(self):
        """Return the name that the key file got when it was made: a database that is
        moved keeps it, and a neutralized copy makes one of its own."""
        digest = hashlib.sha256(self._database_identity().encode()).hexdigest()
        return self._param(KEY_NAME) or f"{self._param('database.uuid')}-{digest[:8]}"

    def _check_keys(self):
        """Check that the first key can be had, before anybody needs it.

        :raises errors.KeyMissing: it cannot
        """
        path = self._key_file()
        if self._server_keys() or os.path.exists(path):
            self._keys(create=False)
        else:
            crypto.check_creatable(path)

    @api.model
    def _keys(self, create):
        """Return the keys of this host, the one for sealing first.

        :raises errors.KeyMissing: there is none, or it is no key
        """
        return crypto.load_keys(self._server_keys(), self._key_file(), create=create)

    @api.model
    def _problem(self):
        """Return the sentence that says why no stored token can be used, or False."""
        try:
            if not self._cipher(create=False):
                self._check_keys()
        except errors.GoogleError as error:
            return self.env["gmail.wording"]._of(error)
        return False

    # ------------------------------------------------------------------
    # Encryption
    # ------------------------------------------------------------------

    @api.model
    def _cipher(self, create=True):
        """Return the cipher of this host.

        The key file is made once for the database; a host whose keys do not match the
        fingerprint in the database refuses, and never makes a new key.

        :param create: False returns None where no key was ever needed
        :raises errors.CopiedDatabase: the tokens are another database's
        :raises errors.KeyMissing: no key, or another one than the database's
        """
        parameters = self.env["ir.config_parameter"].sudo()
        if self._is_copy():
            raise errors.CopiedDatabase("this database is a copy")
        known = parameters.get_param(FINGERPRINT)
        if not known and not create:
            return None
        keys = self._keys(create=not known)
        if not known:
            known = self._note_first_key(crypto.fingerprint(keys[:1]))
        if known not in {crypto.fingerprint([key]) for key in keys}:
            raise errors.KeyMissing(
                "this host does not hold the key of this database's tokens"
            )
        return crypto.TokenCipher(keys)

    def _note_first_key(self, fingerprint):
        """Note the key that this database begins with; return the one noted, which may
        be another host's that was quicker."""
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [FINGERPRINT]
            )
            env.cr.execute(
                "SELECT value FROM ir_config_parameter WHERE key = %s", [FINGERPRINT]
            )
            row = env.cr.fetchone()
            if row:
                return row[0]
            keys = env["gmail.keys"]
            parameters = env["ir.config_parameter"]
            for name, value in (
                (FINGERPRINT, fingerprint),
                (IDENTITY, keys._database_identity()),
                (KEY_NAME, keys._key_name()),
            ):
                parameters.set_param(name, value)
        # What this transaction, which may be older, reads and keeps of them meanwhile
        # is out of date.
        clear = partial(self.env.registry.clear_cache, "stable")
        self.env.cr.postcommit.add(clear)
        self.env.cr.postrollback.add(clear)
        return fingerprint

    def _seal_context(self, sub, **place):
        """What a token is bound to: moved elsewhere, it does not open.

        :param place: mailbox_id, or authorization_id for tokens that wait
        """
        parameters = self.env["ir.config_parameter"].sudo()
        origin = self.env["gmail.setup"]._google_url()
        return {
            "database_uuid": parameters.get_param("database.uuid"),
            "sub": sub,
            "origin": origin or "https://accounts.google.com",
            **place,
        }

    @api.model
    def _count_old_keys(self):
        """Return how many mailboxes' tokens are not encrypted with the first key."""
        return self.env["gmail.credential"].sudo().search_count(self._old_keys_domain())

    def _old_keys_domain(self):
        cipher = self._cipher(create=False)
        current = cipher.fingerprint if cipher else False
        return [("refresh_token", "!=", False), ("key_fingerprint", "!=", current)]

    @api.model
    def _cron_rotate_keys(self):
        """Encrypt tokens anew that a former key still holds, in short transactions.

        Synchronising goes on meanwhile: a row that is being renewed is skipped, and
        taken by the next round.
        """
        if self.env["gmail.version"]._is_outdated():
            return
        try:
            cipher = self._cipher(create=False)
        except errors.GoogleError as error:
            _logger.warning("Keys are not rotated: %s", error.code)
            return
        if not cipher:
            return
        commit_progress = self.env["ir.cron"]._commit_progress
        remaining = self._count_old_keys()
        if remaining or self._param(FINGERPRINT) != cipher.fingerprint:
            self._rotate_revocations(cipher)
        last = 0
        while remaining:
            commit_progress(remaining=remaining)
            with self.env["gmail.connect"]._short_transaction() as env:
                last, done = env["gmail.keys"]._rotate_step(cipher, last)
            if not last or not commit_progress(done):
                break
        if not self._count_old_keys():
            self._note_key(cipher)

    def _note_key(self, cipher):
        """From now on the first key alone is the database's."""
        parameters = self.env["ir.config_parameter"].sudo()
        if parameters.get_param(FINGERPRINT) != cipher.fingerprint:
            parameters.set_param(FINGERPRINT, cipher.fingerprint)

    def _rotate_revocations(self, cipher):
        """Those that wait are few, and gone in hours; so are those of a choice."""
        for revocation in self.env["gmail.revocation"].sudo().search([], limit=1000):
            with suppress(errors.KeyMissing):
                revocation.token = cipher.rotate(revocation.token)
        attempts = self.env["gmail.authorization"].sudo()
        for attempt in attempts.search([("refresh_token", "!=", False)], limit=1000):
            with suppress(errors.KeyMissing):
                attempt.refresh_token = cipher.rotate(attempt.refresh_token)
                attempt.access_token = cipher.rotate(attempt.access_token)

    def _rotate_step(self, cipher, last):
        """Encrypt the next rows anew.

        :return: (id of the last row seen or 0 at the end, rows done)
        """
        self.env.cr.execute(
            """
            SELECT id, refresh_token, access_token
              FROM gmail_credential
             WHERE id > %s AND refresh_token IS NOT NULL
               AND key_fingerprint IS DISTINCT FROM %s
             ORDER BY id
             LIMIT %s
               FOR UPDATE SKIP LOCKED
            """,
            [last, cipher.fingerprint, ROTATION_STEP],
        )
        rows, done = self.env.cr.fetchall(), 0
        for row_id, *sealed in rows:
            try:
                renewed = [text and cipher.rotate(text) for text in sealed]
            except errors.KeyMissing:
                # Of a key that this host lacks; Check set-up says so.
                _logger.warning("The tokens of credential %s do not open", row_id)
                continue
            self.env.cr.execute(
                """
                UPDATE gmail_credential
                   SET refresh_token = %s, access_token = %s, key_fingerprint = %s
                 WHERE id = %s
                """,
                [*renewed, cipher.fingerprint, row_id],
            )
            done += 1
        return (rows[-1][0] if rows else 0), done

    @api.model
    def _count_lost_keys(self):
        """Return how many mailboxes' tokens no key of this host opens, though the
        database's own key is there."""
        try:
            domain = self._lost_domain()
        except errors.KeyMissing:
            return 0
        return self.env["gmail.credential"].sudo().search_count(domain)

    @api.model
    def _is_lost(self):
        """Whether the administrator may say that a key is lost: a mistyped one is to
        be corrected instead."""
        if self._is_copy() or not self._param(FINGERPRINT):
            return False
        try:
            self._cipher(create=False)
        except errors.KeyMissing as error:
            return not (self._server_keys() and error.kind == "key_invalid")
        return bool(self._count_lost_keys())

    def _lost_domain(self):
        keys = self._keys(create=False)
        held = [crypto.fingerprint([key]) for key in keys]
        return [("refresh_token", "!=", False), ("key_fingerprint", "not in", held)]

    @api.model
    def _forget_key(self):
        """A key is lost: forget what it holds, or everything when this host has no
        key of this database. Each mailbox asks its owner to reconnect when it is next
        used; new tokens get the present key, or a new one.

        :raises errors.KeyMissing: the key file cannot be set aside
        """
        try:
            self._cipher(create=False)
            domain = self._lost_domain()
        except errors.KeyMissing:
            domain = [("refresh_token", "!=", False)]
            parameters = self.env["ir.config_parameter"].sudo()
            if not self._server_keys():
                crypto.set_aside(self._key_file())
            for name in (FINGERPRINT, IDENTITY, KEY_NAME):
                parameters.set_param(name, False)
            waiting = self.env["gmail.revocation"].sudo()
            waiting.search([]).unlink()  # pylint: disable=no-search-all
            self.env["gmail.authorization"].sudo().search(
                [("status", "=", "choice")]
            ).unlink()
        self.env["gmail.oauth"]._forget(
            self.env["gmail.credential"].sudo().search(domain)
        )
        mailboxes = self.env["gmail.mailbox"].sudo()
        self.env["gmail.scheduler"]._wake(
            mailboxes.search([("state", "=", "connected")])
        )
        self.env["gmail.scheduler"]._check_soon()

    @api.model
    def _take_over(self):
        """The administrator says that this database, not the one it was copied from,
        owns the tokens."""
        self.env["ir.config_parameter"].sudo().set_param(
            IDENTITY, self._database_identity()
        )
