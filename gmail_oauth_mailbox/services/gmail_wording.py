from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import format_date, format_datetime

from ..lib import errors

UNUSED = timedelta(days=180)


class GmailWording(models.AbstractModel):
    """What a user reads for an error of lib: one sentence and its remedy."""

    _name = "gmail.wording"
    _description = "Gmail Wording"

    @api.model
    def _of(self, error, mailbox=None):
        """Return the sentence for an error that concerns a connected mailbox.

        :param mailbox: gmail.mailbox (sudo); what is known of it explains more
        """
        if isinstance(error, errors.ReconnectNeeded):
            return self._of_ended(error, mailbox)
        if isinstance(error, errors.PermissionMissing):
            return self.env._(
                "This was not allowed at Google. Reconnect the mailbox and leave the "
                "ticks on."
            )
        if isinstance(error, errors.ConfigurationWrong):
            return self._of_configuration(error)
        if isinstance(error, errors.SendingLimit):
            return self.env._(
                "Gmail's sending limit is reached. The mail goes out later."
            )
        if isinstance(error, errors.QuotaSpent) and error.kind != "paused":
            return self.env._(
                "Gmail's quota is used up for the moment; there is room again within a "
                "minute."
            )
        if isinstance(error, errors.RetryLater):
            return self.env._(
                "Google does not answer right now. Odoo tries again by itself."
            )
        return self._of_refusal(error)

    @api.model
    def _of_contacts(self, error, mailbox):
        """Return the sentence for what keeps Google's contacts of a mailbox away."""
        if (
            isinstance(error, errors.ConfigurationWrong)
            and error.kind == "api_disabled"
        ):
            return self.env._(
                "The People API is switched off in the Google project. Ask your "
                "administrator to switch it on; your mail is not affected."
            )
        if isinstance(error, errors.GoogleError):
            return self._of(error, mailbox)
        return self.env._(
            "Odoo could not take in your Google contacts and tries again by itself. "
            "Your administrator finds the place of the fault in the log."
        )

    @api.model
    def _of_contact_counts(self, mailbox):
        """Return how many contacts there are in Google, and what becomes of them."""
        groups = self.env["gmail.contact"]._read_group(
            [("mailbox_id", "=", mailbox.id)], ["outcome"], ["__count"]
        )
        counts = dict(groups)
        total = sum(counts.values())
        if not total:
            return self.env._("No contacts in Google.") if mailbox.contact_state else ""
        names = dict(
            self.env["gmail.contact"]
            ._fields["outcome"]
            ._description_selection(self.env)
        )
        parts = [
            self.env._(
                "%(what)s: %(count)s", what=names[outcome], count=counts[outcome]
            )
            for outcome in names
            if counts.get(outcome)
        ]
        said = [
            self.env._(
                "%(total)s contacts in Google. %(parts)s.",
                total=total,
                parts=", ".join(parts),
            )
        ]
        gone = self._count_contacts(
            mailbox, ("is_gone", "=", True), ("is_applied", "=", True)
        )
        if gone:
            said.append(self.env._("Deleted in Google, but still in Odoo: %s.", gone))
        kept = self._count_contacts(mailbox, ("reason", "=", "kept"))
        if kept:
            said.append(
                self.env._("Undone, but still in Odoo since they are in use: %s.", kept)
            )
        return " ".join(said)

    def _count_contacts(self, mailbox, *conditions):
        return self.env["gmail.contact"].search_count(
            [("mailbox_id", "=", mailbox.id), *conditions]
        )

    @api.model
    def _of_project(self, error):
        """Return the sentence for a fault that stops all mailboxes."""
        if isinstance(error, errors.ConfigurationWrong):
            return self._of_configuration(error)
        return self.env._(
            "The quota of the Google project is spent (%s). Mail is brought in again "
            "by itself when Google allows it; the Google Cloud console shows the "
            "project's quotas.",
            error.code,
        )

    @api.model
    def _of_pause(self, until, code):
        """Return the sentence for a pause of the whole project."""
        return self.env._(
            "Google does not serve this Odoo right now (%(code)s). All mailboxes go on "
            "by themselves at %(time)s.",
            code=code,
            time=self._clock(until),
        )

    @api.model
    def _of_wait(self, mailbox):
        """Return the sentence for a mailbox that waits, or False."""
        if not mailbox.waits_until or mailbox.waits_until <= fields.Datetime.now():
            return False
        time = self._clock(mailbox.waits_until)
        if mailbox.waits_for == "quota":
            return self.env._("Gmail's quota is used up; it goes on at %s.", time)
        if mailbox.waits_for == "project":
            return self.env._("The project's quota is used up; it goes on at %s.", time)
        return self.env._("Google asks Odoo to wait; it goes on at %s.", time)

    @api.model
    def _of_left_out(self, row):
        """Return why a message of gmail.quarantine is not in Odoo."""
        if row.is_retried:
            return self.env._("Odoo asks Gmail for it again.")
        if row.code == "not_found":
            if row.retry_at:
                return self.env._(
                    "Gmail lists this email, but didn't return it. Odoo tries again at "
                    "%s.",
                    self._clock(row.retry_at),
                )
            return self.env._("Gmail lists this email, but doesn't return it.")
        if row.code == "poison":
            return self.env._(
                "Odoo stopped twice while importing this email. Odoo tries again after "
                "its next update."
            )
        if row.code == "not_linked":
            return self.env._(
                "This email is in Odoo, but Odoo couldn't link it to records."
            )
        if row.code == "too_large":
            return self.env._("It is too large. Read it in Gmail.")
        if row.code == "unreadable":
            return self.env._("Gmail's answer was not readable. Try again later.")
        if row.code and row.code[0].isupper():
            # An error of the database or of Python, by its name.
            return self.env._("Odoo could not store it (%s).", row.code)
        return self.env._("Gmail did not give it (%s).", row.code)

    @api.model
    def _of_removal(self, removed):
        """Return the sentence for emails that were removed in bulk."""
        return self.env._(
            "Emails removed from Odoo because they're no longer in your Gmail or its "
            "synced labels: %s.",
            removed,
        )

    @api.model
    def _of_contact_removal(self, removed):
        """Return the sentence for Google contacts that were deleted in bulk."""
        return self.env._(
            "Google contacts marked as deleted because they're no longer in Google: "
            "%s. Your contacts in Odoo are kept.",
            removed,
        )

    @api.model
    def _of_ceiling(self, mailbox):
        """Return the sentence for older mail that a ceiling keeps in Gmail, or
        False."""
        if not mailbox.stopped_by:
            return False
        ceilings = self.env["gmail.setup"]._ceilings()
        if mailbox.stopped_by == "messages":
            allowed = self.env._("%s messages", ceilings["messages"])
        else:
            allowed = self.env._("%s MB", ceilings["megabytes"])
        if mailbox.import_scope == "contacts" or not mailbox.stopped_at:
            return self.env._(
                "The rest of your older mail stays in Gmail only: your administrator "
                "allows %s in Odoo for each mailbox. New mail still comes in.",
                allowed,
            )
        return self.env._(
            "Mail before %(date)s stays in Gmail only: your administrator allows "
            "%(allowed)s in Odoo for each mailbox. New mail still comes in.",
            date=format_date(self.env, mailbox.stopped_at),
            allowed=allowed,
        )

    @api.model
    def _of_switching(self, mailbox, label):
        """Return how much mail comes in or leaves when a label is switched.

        :param mailbox: gmail.mailbox (sudo)
        :param label: gmail.label (sudo)
        """
        if label.is_synced:
            return self.env._(
                "Messages that leave Odoo: %s. They stay in Gmail.",
                self.env["gmail.store"].sudo()._count_with(label),
            )
        try:
            count, is_all = self.env["gmail.sync"].sudo()._preview(mailbox, label)
        except errors.GoogleError as error:
            return self.env._(
                "How many messages this is about cannot be told now: %s",
                self._of(error, mailbox),
            )
        number = count if is_all else self.env._("more than %s", count)
        if mailbox.import_scope == "contacts":
            return self.env._(
                "Messages that are not in Odoo yet: %s. Those with your contacts come "
                "in.",
                number,
            )
        return self.env._(
            "Messages that are not in Odoo yet: %(number)s. Bringing them in takes "
            "about %(minutes)s min.",
            number=number,
            minutes=max(1, self.env["gmail.meter"]._minutes_for(count)),
        )

    def _clock(self, moment):
        """Return a moment as the time of day of the user."""
        return format_datetime(self.env, moment, dt_format="HH:mm:ss")

    @api.model
    def _of_ended(self, error, mailbox):
        if error.kind == "mail_service_off":
            return self.env._(
                "Gmail is switched off for this Google account. Ask your Google "
                "Workspace administrator to switch it on, then reconnect."
            )
        if isinstance(error, errors.AccessBlocked):
            return self.env._(
                "Your Google Workspace administrator does not allow this application. "
                "Ask for it to be allowed, then reconnect."
            )
        if error.kind == "account_deleted":
            return self.env._(
                "Google says that this account was deleted. Reconnect when it is "
                "back; the mail stored in Odoo stays."
            )
        if error.kind == "invalid_rapt":
            return self.env._(
                "Your company asks for a new sign-in at Google from time to time. "
                "Reconnect the mailbox."
            )
        if error.kind == "client_changed":
            return self.env._(
                "The Google application of this Odoo was changed, which ended the "
                "access. Reconnect the mailbox."
            )
        if error.kind in ("missing", "token_context"):
            return self.env._(
                "Odoo holds no usable access to this mailbox. Reconnect it."
            )
        now = fields.Datetime.now()
        if mailbox and mailbox.access_ends and mailbox.access_ends <= now:
            return self.env._(
                "The time that Google gave to this access is over. Reconnect the "
                "mailbox. If it happens every week, tell your administrator: the "
                "Google application is still in Testing."
            )
        last_use = self.env["gmail.oauth"]._last_use(mailbox) if mailbox else None
        if last_use and last_use < now - UNUSED:
            return self.env._(
                "Google ends an access that nobody used for six months. Reconnect the "
                "mailbox."
            )
        return self.env._(
            "Google ended Odoo's access to this mailbox, as it does after a new "
            "password. Reconnect it."
        )

    @api.model
    def _ending_soon(self, mailbox):
        """Return the warning that Google is about to end the access."""
        return self.env._(
            "Google ends Odoo's access on %s. Reconnect before, then nothing is "
            "interrupted.",
            format_datetime(self.env, mailbox.access_ends, tz=mailbox.user_id.tz),
        )

    @api.model
    def _of_configuration(self, error):
        """Return what is wrong with the set-up: in full for administrators."""
        admin = self.env["gmail.setup"]._is_admin()
        if error.kind == "disabled":
            return self.env["gmail.setup"]._switched_off()
        if isinstance(error, errors.CopiedDatabase):
            if admin:
                return self.env._(
                    "This database is a copy, or was moved to another server, so its "
                    "mailboxes rest. If no other Odoo uses them any more, open the "
                    "Gmail settings, Check set-up, and take them over."
                )
            return self.env._(
                "This database is a copy, or was moved, so its mailboxes rest. Ask "
                "your administrator to take them over."
            )
        if error.kind == "key_invalid":
            return self.env._(
                "A key of this server is not valid. Ask your administrator to check "
                "GMAIL_OAUTH_MAILBOX_KEYS, or the key file in Odoo's data directory."
            )
        if error.kind == "key_unwritable":
            return self.env._(
                "This server cannot write its key file. Ask your administrator to "
                "make Odoo's data directory writable for Odoo."
            )
        if isinstance(error, errors.KeyMissing):
            return self.env._(
                "This server lacks the key of the stored tokens. Ask your "
                "administrator to restore the key file."
            )
        if error.kind in ("invalid_client", "unauthorized_client") and admin:
            return self.env._(
                "Google does not accept the client ID and secret. Open the Gmail "
                "settings and copy both again from the Google Cloud console."
            )
        if error.kind == "api_disabled":
            if admin:
                return self.env._(
                    "The Gmail API is not enabled in the Google project. Enable it in "
                    "the Google Cloud console: APIs and services, Library."
                )
            return self.env._(
                "The Gmail API is not enabled for this Odoo. Ask your administrator "
                "to enable it in the Google Cloud console."
            )
        return self.env._(
            "Google refuses this Odoo's set-up (%s). Ask your administrator to use "
            "Check set-up in the Gmail settings.",
            error.code,
        )

    @api.model
    def _of_refusal(self, error):
        return self.env._(
            "Google refused this request. Try again; if it persists, tell your "
            "administrator the code %s.",
            error.code,
        )

    # ------------------------------------------------------------------
    # While connecting
    # ------------------------------------------------------------------

    @api.model
    def _of_attempt(self, error):
        """Return the sentence for an error on the way of connecting."""
        if error.kind == "mail_service_off":
            return self.env._(
                "Nothing was connected: this Google account has no Gmail. Connect "
                "again and pick an account that has, or ask your Google Workspace "
                "administrator to switch Gmail on."
            )
        if isinstance(error, errors.AccessBlocked):
            return self.env._(
                "Nothing was connected: your Google Workspace administrator does not "
                "allow this application. Ask for it to be allowed, then connect again."
            )
        if isinstance(error, errors.ConfigurationWrong):
            return self._of_configuration(error)
        if isinstance(error, errors.RetryLater):
            return self.env._(
                "Nothing was connected: Google does not answer right now. Connect "
                "again in a few minutes."
            )
        if error.kind == "code_refused" or isinstance(error, errors.ReconnectNeeded):
            return self.env._(
                "Nothing was connected: Google's permission was used or too old. "
                "Connect again."
            )
        if error.kind == "id_token":
            return self.env._(
                "Nothing was connected: Google's proof of who you are does not hold. "
                "Connect again; if it persists, ask your administrator to check this "
                "server's clock."
            )
        return self._of_refusal(error)

    @api.model
    def _of_question(self, error):
        """Return the sentence for an error of Check set-up."""
        if isinstance(error, errors.RetryLater):
            return self.env._(
                "Google cannot be reached from this server. Open its way to "
                "accounts.google.com, oauth2.googleapis.com, www.googleapis.com and "
                "gmail.googleapis.com, port 443."
            )
        return self._of_refusal(error)

    @api.model
    def _of_authorization(self, word, mailbox):
        """Return (kind, sentence) for the word ``error`` in Google's answer.

        :param mailbox: the one to reconnect, or empty
        """
        if word == "access_denied" and mailbox:
            return "info", self.env._(
                "Nothing was changed, since access was not allowed at Google. You can "
                "reconnect %s at any time.",
                mailbox.email,
            )
        if word == "access_denied":
            return "info", self.env._(
                "Nothing was connected, since access was not allowed at Google. You "
                "can click Add new mailbox again at any time."
            )
        if word == "org_internal":
            return "danger", self.env._(
                "Nothing was connected: this application is for one Google Workspace "
                "only. Connect again with an account of your company."
            )
        if word == "admin_policy_enforced":
            return "danger", self._of_attempt(errors.AccessBlocked())
        if word in ("temporarily_unavailable", "server_error"):
            return "danger", self._of_attempt(errors.RetryLater())
        return "danger", self.env._(
            "Nothing was connected: Google refused this Odoo's request. Ask your "
            "administrator to use Check set-up in the Gmail settings."
        )

    @api.model
    def _ending(self, name):
        """Return the sentence for an attempt that has no user to tell."""
        if name == "session":
            return self.env._(
                "This answer from Google belongs to another session. Log in to Odoo "
                "in this browser and click Add new mailbox again."
            )
        if name == "outdated":
            return self.env["gmail.version"]._user_sentence()
        if name == "start":
            return self.env._("This attempt has ended. Click Add new mailbox again.")
        return self.env._(
            "This answer from Google is not expected any more. "
            "Go back to Odoo and click Add new mailbox again."
        )
