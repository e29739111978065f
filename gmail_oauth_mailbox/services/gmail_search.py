from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..lib import errors, query
from ..lib.types import ParsedMessage

# Ids of a page and pages of one search, at 5 units each; most of what is newest is in
# Odoo already. Conversations that it shows.
LISTED = 500
MOST_LISTS = 6
SHOWN = 20
ALWAYS = datetime(1970, 1, 1)


class GmailSearch(models.AbstractModel):
    """Mail that is in Gmail and not in Odoo: found when its owner looks for it, and
    taken in when she opens it."""

    _name = "gmail.search"
    _description = "Search in Gmail"

    @api.model
    def _find(self, mailboxes, text):
        """Return what Gmail finds and Odoo does not have, newest first.

        :param mailboxes: gmail.mailbox of the caller, under sudo
        :param text: search in Gmail's own language
        :return: {"found": list of dict, "more": whether Gmail may have more of it,
            "problems": list of sentences}
        """
        found, more, problems = [], False, []
        for mailbox in mailboxes:
            rows, is_cut, error = self._find_in(mailbox, text)
            found += rows
            more = more or is_cut
            if error:
                problems.append(self.env["gmail.wording"]._of(error))
        found.sort(key=lambda row: row["date"], reverse=True)
        return {
            "found": found[:SHOWN],
            "more": more or len(found) > SHOWN,
            "problems": list(dict.fromkeys(problems)),
        }

    def _find_in(self, mailbox, text):
        """Return (rows, whether there may be more, the GoogleError that cut it short
        or None) of one mailbox."""
        search = self._query(mailbox, text)
        if not search:
            return [], False, None
        messages = []
        try:
            with self.env["gmail.oauth"]._client(mailbox) as client:
                refs, more = self._newest_unknown(mailbox, client, search)
                late = None
                for _gmail_id, result in client.fetch(refs):
                    if isinstance(result, ParsedMessage):
                        messages.append(result)
                    elif not isinstance(result, errors.Gone | errors.BadItem):
                        late = result
        except errors.GoogleError as error:
            return [], False, error
        rows = [
            self._summary(mailbox, message)
            for message in messages
            if self._may_come(mailbox, message)
        ]
        return rows, more, late

    def _newest_unknown(self, mailbox, client, search):
        """Return (a MessageRef of each conversation with something that Odoo does not
        have, at most SHOWN; whether there may be more)."""
        newest, token = {}, None
        for _page in range(MOST_LISTS):
            page = client.list_messages(q=search, page_token=token, page_size=LISTED)
            known = self.env["gmail.store"]._known(
                mailbox, [ref.gmail_id for ref in page.refs]
            )
            for ref in page.refs:
                if ref.gmail_id not in known:
                    newest.setdefault(ref.thread_id, ref)
            token = page.next_page_token
            if not token or len(newest) >= SHOWN:
                break
        refs = list(newest.values())
        return refs[:SHOWN], bool(token) or len(refs) > SHOWN

    def _since(self):
        """Return the oldest moment that the administrator allows in Odoo."""
        days = self.env["gmail.setup"]._ceilings()["history_days"]
        return fields.Datetime.now() - timedelta(days=days) if days else ALWAYS

    def _query(self, mailbox, text):
        asked = query.asked(text)
        if not asked:
            return ""
        return f"{self.env['gmail.sync']._query(mailbox, self._since())} {asked}"

    def _may_come(self, mailbox, message):
        """Whether a message has no label that is switched off, and nobody on it stays
        out of Odoo."""
        store = self.env["gmail.store"]
        people = {message.gmail_id: store._people_of(message)}
        return (
            store._excluded(mailbox).isdisjoint(message.label_ids)
            and message.date >= self._since()
            and not store._stays_out(mailbox, people, ())(message)
        )

    def _summary(self, mailbox, message):
        sender = message.from_
        return {
            "gmail_id": message.thread_id,
            "mailbox_id": mailbox.id,
            "subject": message.subject,
            "participants": (sender.name or sender.address)
            if sender
            else self.env._("Unknown sender"),
            "snippet": message.snippet,
            "date": fields.Datetime.to_string(message.date),
            "has_attachments": any(not a.is_inline for a in message.attachments),
        }

    @api.model
    def _bring(self, mailbox, gmail_id):
        """Take in a conversation whose owner asks for it; return its id.

        :param mailbox: gmail.mailbox of the caller, under sudo
        :raises UserError: it cannot come, or Gmail cannot give it now
        """
        store, sync = self.env["gmail.store"].sudo(), self.env["gmail.sync"].sudo()
        gone = self.env._("This conversation is not in Gmail any more.")
        with self.env["gmail.oauth"]._asking(mailbox, gone) as client:
            messages = client.get_thread(str(gmail_id))
        known = store._known(mailbox, [message.gmail_id for message in messages])
        wanted = [
            message
            for message in reversed(messages)
            if message.gmail_id not in known and self._may_come(mailbox, message)
        ]
        room, _ceiling = sync._room(mailbox)
        if wanted and room == 0:
            raise UserError(
                self.env._(
                    "Your administrator allows no more mail of this mailbox in Odoo. "
                    "Read it in Gmail."
                )
            )
        touched = store._store_all(mailbox, wanted[:room], is_asked=True)
        sync._announce(mailbox, touched)
        thread = self.env["gmail.thread"].search(
            [
                ("mailbox_id", "=", mailbox.id),
                ("gmail_id", "=", str(gmail_id)),
                ("message_count", ">", 0),
            ]
        )
        if not thread:
            raise UserError(
                self.env._("This conversation stays out of Odoo. Read it in Gmail.")
            )
        return thread.id
