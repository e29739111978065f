import os

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..lib import errors, oauth
from .gmail_scheduler import CRONS
from .gmail_setup import ASKING, CLIENT_ID, LOOPBACK, split_url

MOST_SKEW = 30.0
# Of records that do nothing.
MAX_NAMED = 10


class GmailCheck(models.AbstractModel):
    """Check set-up: each point that connecting rests on, tested, with its remedy."""

    _name = "gmail.check"
    _description = "Gmail Set-up Points"

    @api.model
    def _points(self):
        """Test each point that connecting rests on.

        :return: a list of (status, name, sentence); status is ``ok``, ``warning`` or
            ``wrong``, the sentence says what to do
        """
        if sentence := self.env["gmail.version"]._sentence():
            return [("wrong", self.env._("Version"), sentence)]
        points = [
            self._point_switch(),
            self._point_client(),
            self._point_secret(),
            self._point_address(),
            self._point_key(),
            *self._points_google(),
            self._point_api(),
            self._point_lifetime(),
            self._point_workers(),
            self._point_guard(),
        ]
        return [point for point in points if point]

    def _point_switch(self):
        name = self.env._("Switched on")
        if self.env["gmail.setup"]._disabled():
            return (
                "wrong",
                name,
                self.env._(
                    "Everything is stopped by the system parameter "
                    "gmail_oauth_mailbox.disabled. Set it to 0 to go on."
                ),
            )
        if self.env["gmail.setup"]._test_mode():
            return (
                "warning",
                name,
                self.env._(
                    "Test mode: a stand-in answers instead of Google. Remove "
                    "GMAIL_OAUTH_MAILBOX_GOOGLE_URL from the server's environment and "
                    "configuration to use the real one."
                ),
            )
        return "ok", name, self.env._("Mailboxes can be connected and used.")

    def _point_client(self):
        name = self.env._("Client ID")
        client_id = self.env["gmail.setup"]._client_id()
        if not client_id:
            sentence = self.env._(
                "Enter the client ID from the Google Cloud console: Google Auth "
                "Platform, Clients, type Web application."
            )
            return "wrong", name, sentence
        if not CLIENT_ID.fullmatch(client_id):
            sentence = self.env._(
                "This does not look like a client ID: it ends in "
                ".apps.googleusercontent.com. Copy it again from the console."
            )
            return "wrong", name, sentence
        return "ok", name, client_id

    def _point_secret(self):
        name = self.env._("Client secret")
        if self.env["gmail.setup"]._server_secret():
            sentence = self.env._("It is set by the server's configuration.")
            return "ok", name, sentence
        if self.env["gmail.setup"]._client_secret():
            sentence = self.env._(
                "It is stored in the database. To keep it out of database dumps, set "
                "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET in the server's environment and "
                "remove it here."
            )
            return "warning", name, sentence
        return "wrong", name, self.env._("Enter the client secret from the console.")

    def _point_address(self):
        name = self.env._("Address of this Odoo")
        base = split_url(self.env["gmail.setup"]._param("web.base.url"))
        if not base.hostname:
            sentence = self.env._(
                "The system parameter web.base.url is empty. Enter the address that "
                "users open, with https."
            )
            return "wrong", name, sentence
        if base.scheme != "https" and base.hostname not in LOOPBACK:
            sentence = self.env._(
                "Google accepts only https. Set the system parameter web.base.url to "
                "the https address that users open, now it is %s.",
                base.geturl(),
            )
            return "wrong", name, sentence
        if (
            not self.env["gmail.setup"]._param("web.base.url.freeze")
            and base.scheme == "https"
        ):
            sentence = self.env._(
                "%s; it changes when an administrator logs in by another address. Set "
                "the system parameter web.base.url.freeze to True.",
                base.geturl(),
            )
            return "warning", name, sentence
        return "ok", name, base.geturl()

    def _point_key(self):
        name = self.env._("Key of the stored tokens")
        if problem := self.env["gmail.keys"]._problem():
            return "wrong", name, problem
        try:
            self.env["gmail.keys"]._cipher()
        except errors.GoogleError as error:
            return "wrong", name, self.env["gmail.wording"]._of(error)
        lost = self.env["gmail.keys"]._count_lost_keys()
        if lost:
            sentence = self.env._(
                "The tokens of %s mailboxes are encrypted with a key that this server "
                "does not hold. Put it back behind the present one; if it is lost, say "
                "so below, and their users reconnect.",
                lost,
            )
            return "wrong", name, sentence
        old = self.env["gmail.keys"]._count_old_keys()
        if old:
            sentence = self.env._(
                "%s stored tokens still wait to be encrypted with the new key. Keep "
                "the old one until they are: a scheduled action does it.",
                old,
            )
            return "warning", name, sentence
        if self.env["gmail.keys"]._server_keys():
            sentence = self.env._("It is set by the server's configuration.")
            return "ok", name, sentence
        sentence = self.env._(
            "It is in the file %s. Back it up apart from the database, and share it "
            "between the hosts of this database.",
            os.path.join(
                "gmail_oauth_mailbox",
                os.path.basename(self.env["gmail.keys"]._key_file()),
            ),
        )
        return "ok", name, sentence

    def _points_google(self):
        """Test what Google has to say about the client, its secret and its URI."""
        if not (
            self.env["gmail.setup"]._client_id()
            and self.env["gmail.setup"]._client_secret()
        ):
            return []
        wording = self.env["gmail.wording"]
        secret, redirect = (
            self.env._("Google knows client and secret"),
            self.env._("Redirect URI registered"),
        )
        try:
            skew = oauth.check_client(
                ASKING,
                self.env["gmail.setup"]._endpoints(),
                client_id=self.env["gmail.setup"]._client_id(),
                client_secret=self.env["gmail.setup"]._client_secret(),
                redirect_uri=self.env["gmail.setup"]._redirect_uri(),
            )
        except errors.ConfigurationWrong:
            sentence = self.env._(
                "Google does not know this pair. Copy client ID and secret of the same "
                "client again from the console."
            )
            return [("wrong", secret, sentence)]
        except errors.GoogleError as error:
            return [("wrong", secret, wording._of_question(error))]
        points = [("ok", secret, self.env._("Google accepts them."))]
        try:
            refusal = oauth.check_redirect(
                ASKING,
                self.env["gmail.setup"]._endpoints(),
                client_id=self.env["gmail.setup"]._client_id(),
                redirect_uri=self.env["gmail.setup"]._redirect_uri(),
                scopes=self.env["gmail.setup"]._scopes(True),
            )
        except errors.GoogleError as error:
            points.append(("wrong", redirect, wording._of_question(error)))
        else:
            points.append(self._point_redirect(redirect, refusal))
        if skew is not None and abs(skew) > MOST_SKEW:
            sentence = self.env._(
                "This server's clock differs from Google's by %s seconds, so proofs "
                "of identity may be refused. Have it set by NTP.",
                round(abs(skew)),
            )
            points.append(("wrong", self.env._("Clock"), sentence))
        return points

    def _point_redirect(self, name, refusal):
        if not refusal:
            return "ok", name, self.env["gmail.setup"]._redirect_uri()
        if refusal == "redirect_uri_mismatch":
            sentence = self.env._(
                "Google does not know %s. Add exactly this line to the authorized "
                "redirect URIs of the client.",
                self.env["gmail.setup"]._redirect_uri(),
            )
        else:
            sentence = self.env._(
                "Google shows its error page for the sign-in of this application "
                "(%s). Check the client, its consent screen and its scopes.",
                refusal,
            )
        return "wrong", name, sentence

    def _point_api(self):
        """Test the Gmail API with a mailbox of the caller's own."""
        name = self.env._("Gmail API")
        mailbox = (
            self.env["gmail.mailbox"]
            .search([("user_id", "=", self.env.uid), ("state", "=", "connected")])
            .sudo()
            .filtered("can_read")[:1]
        )
        if not mailbox:
            sentence = self.env._(
                "Not tested: that takes a mailbox of yours. Connect one; if the API "
                "is not enabled in the Google project, it says so."
            )
            return "warning", name, sentence
        try:
            self.env["gmail.oauth"]._test_connection(mailbox)
        except UserError as error:
            return "wrong", name, str(error)
        return "ok", name, self.env._("Your own mailbox answers.")

    def _point_lifetime(self):
        """Tell a client in Testing by the end that Google gave to its accesses."""
        name = self.env._("Lasting access")
        ending = (
            self.env["gmail.mailbox"]
            .sudo()
            .search_count([("state", "=", "connected"), ("access_ends", "!=", False)])
        )
        if not ending:
            return None
        sentence = self.env._(
            "Google ends the access of %s mailboxes by itself. An application in the "
            "status Testing gets seven days: publish it in the console, or make it "
            "Internal, then have the users reconnect.",
            ending,
        )
        return "warning", name, sentence

    def _point_guard(self):
        """Name what users made of emails: it does nothing."""
        found = [
            f"{record.display_name} ({records._description})"
            for records in self.env["gmail.guard"]._refused()
            for record in records
        ]
        if not found:
            return None
        more = len(found) - MAX_NAMED
        names = ", ".join(found[:MAX_NAMED])
        if more > 0:
            names = self.env._("%(names)s and %(count)s more", names=names, count=more)
        return (
            "warning",
            self.env._("Automation"),
            self.env._(
                "Emails of mailboxes are for their owners, so these do nothing: %s. "
                "Delete them.",
                names,
            ),
        )

    def _point_workers(self):
        name = self.env._("Scheduled actions")
        scheduler = self.env["gmail.scheduler"]
        lanes = [scheduler._crons([lane]).filtered("active") for lane in CRONS]
        crons = scheduler._crons().filtered("active")
        others = self.env["ir.cron"].sudo().with_context(active_test=False)
        for kind in ("addresses", "revoke", "check", "keys"):
            xmlid = f"gmail_oauth_mailbox.ir_cron_gmail_{kind}"
            others |= self.env.ref(xmlid, raise_if_not_found=False) or others
        late = fields.Datetime.subtract(fields.Datetime.now(), minutes=15)
        if not all(lanes) or not all(cron.active for cron in others):
            sentence = self.env._(
                "A scheduled action of the Gmail mailboxes is switched off. Switch it "
                "on in Settings, Technical, Scheduled Actions."
            )
            return "wrong", name, sentence
        if all(cron.nextcall < late for cron in crons):
            sentence = self.env._(
                "They are due and do not run. Start Odoo with max_cron_threads of at "
                "least 2."
            )
            return "wrong", name, sentence
        return "ok", name, self.env._("They run.")
