import logging
from functools import partial

from odoo import api, models
from odoo.exceptions import AccessError, UserError
from odoo.modules.module import Manifest
from odoo.tools import parse_version

_logger = logging.getLogger(__name__)

ADDON = "gmail_oauth_mailbox"
# On the registry, which Odoo makes anew after each update.
OUTDATED = "gmail_oauth_mailbox_outdated"


class GmailVersion(models.AbstractModel):
    """Whether the database was updated after a new version was installed.

    Without the update, columns and scheduled actions of the new version are missing.
    Gmail stops until then, and Odoo keeps working: what Odoo calls asks here before
    it reads a table of the addon.
    """

    _name = "gmail.version"
    _description = "Gmail Version"

    def _register_hook(self):
        result = super()._register_hook()
        self.env["ir.module.module"].flush_model(["state", "latest_version"])
        self.env.cr.execute(
            "SELECT latest_version FROM ir_module_module"
            " WHERE name = %s AND state = 'installed'",
            [ADDON],
        )
        row = self.env.cr.fetchone()
        code = Manifest.for_addon(ADDON)["version"]
        outdated = self._is_older(row and row[0], code)
        setattr(self.env.registry, OUTDATED, outdated)
        if outdated:
            _logger.error(
                "Gmail is stopped: this database holds %s %s, and the installed code "
                "is %s. Stop Odoo and run: %s",
                ADDON,
                row[0],
                code,
                self._command(),
            )
        return result

    @api.model
    def _is_older(self, installed, code):
        """Return whether an installed version is older than that of the code."""
        return bool(installed) and parse_version(installed) < parse_version(code)

    @api.model
    def _is_outdated(self):
        """Return whether the database is older than the code, without SQL."""
        return getattr(self.env.registry, OUTDATED, False)

    @api.model
    def _command(self):
        """Return the command that updates this database."""
        return f"odoo -d {self.env.cr.dbname} -u {ADDON} --stop-after-init"

    @api.model
    def _sentence(self):
        """Return what the current user reads while the database is older than the
        code, or False."""
        if not self._is_outdated():
            return False
        if self.env.user.has_group("base.group_system"):
            return self._admin_sentence()
        return self._user_sentence()

    def _admin_sentence(self):
        return self.env._(
            "Gmail is stopped because this database wasn't updated to the installed "
            "version. Stop Odoo and run: %s",
            self._command(),
        )

    def _user_sentence(self):
        return self.env._(
            "Gmail is being updated. Ask your administrator to finish the update."
        )

    @api.model
    def _check(self):
        """Refuse what would write while the database is older than the code.

        :raises UserError: it is
        """
        if sentence := self._sentence():
            raise UserError(sentence)

    @api.model
    def _refusal(self, records):
        """Return what ``_check_access`` returns for records while the database is older
        than the code, or None."""
        sentence = self._sentence()
        return (records, partial(AccessError, sentence)) if sentence else None
