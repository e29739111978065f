"""Links and entries follow records that are merged."""

from odoo.tools import SQL


class Moves:
    """Has what is known of emails name the records where their entries are.

    :param env_su: superuser environment
    :param chatter: Chatter, which removes an entry that the target has already
    :param offers: Offers, which asks owners about a record of another company
    """

    def __init__(self, env_su, chatter, offers):
        self.env = env_su
        self.chatter = chatter
        self.offers = offers

    def merge(self, model, sources, target, messages=None, into=None, actor=None):
        """Move links of messages and of conversations to the record that remains.

        :param sources: ids of records of ``model``
        :param into: model of ``target``, when it is another one
        :param messages: ids of gmail.message; only these and their conversations
        :param actor: who merges them, or None when unknown
        """
        self.env.flush_all()
        ids = list(messages or ())
        into = into or model
        self.offers.note_merged((model, list(sources)), (into, target), actor)
        for table, same, of_messages in (
            (
                SQL("gmail_filing"),
                SQL("o.message_id = x.message_id"),
                SQL("x.message_id = ANY(%s)", ids),
            ),
            (
                SQL("gmail_link"),
                SQL("o.thread_id = x.thread_id"),
                SQL(
                    "x.thread_id IN (SELECT thread_id FROM gmail_message"
                    " WHERE id = ANY(%s))",
                    ids,
                ),
            ),
        ):
            which = SQL(
                "x.res_model = %s AND x.res_id = ANY(%s) AND %s",
                model,
                list(sources),
                SQL("TRUE") if messages is None else of_messages,
            )
            # Of several that say the same, the last one moves and the others go.
            self.env.cr.execute(
                SQL(
                    """
                    DELETE FROM %(table)s x
                     WHERE %(which)s
                       AND EXISTS (SELECT FROM %(table)s o
                                    WHERE %(same)s
                                      AND (o.res_model = %(into)s
                                               AND o.res_id = %(target)s
                                           OR (o.res_model = x.res_model
                                               AND o.res_id = ANY(%(sources)s)
                                               AND o.id > x.id)))
                    """,
                    table=table,
                    which=which,
                    same=same,
                    into=into,
                    target=target,
                    sources=list(sources),
                )
            )
            self.env.cr.execute(
                SQL(
                    "UPDATE %s x SET res_model = %s, res_id = %s WHERE %s",
                    table,
                    into,
                    target,
                    which,
                )
            )
        self.env["gmail.link"].invalidate_model()
        self.env["gmail.filing"].invalidate_model()

    def follow(self, entries, copies):
        """Have entries of one email name the records where they are now. Of two on one
        record that show the same, one goes.

        :param entries: gmail.entry
        :param copies: gmail.message of that email
        :return: the records that are concerned
        """
        touched = set()
        for entry in entries:
            message = entry.mail_message_id
            old, new = (entry.res_model, entry.res_id), (message.model, message.res_id)
            if not all(new) or old == new:
                continue
            touched |= {old, new}
            along = self._going_along(entry, copies)
            self.merge(old[0], [old[1]], new[1], along, into=new[0])
            twin = entries.filtered(
                lambda e, at=new, digest=entry.digest: (
                    (e.res_model, e.res_id) == at and e.digest == digest
                )
            )[:1]
            if twin:
                spare = entry if entry.kind != "stock" else twin
                entries -= spare
                self.chatter.remove(spare)
                if spare == entry:
                    continue
            entry.write({"res_model": new[0], "res_id": new[1]})
        return touched

    def _going_along(self, entry, copies):
        """Return the ids of the messages whose links follow an entry: of its own
        mailbox, and of all mailboxes when the record that it left is gone."""
        model, res_id = entry.res_model, entry.res_id
        if model in self.env.registry and self.env[model].browse(res_id).exists():
            copies = copies.filtered(lambda m: m.mailbox_id == entry.mailbox_id)
        return copies.ids
