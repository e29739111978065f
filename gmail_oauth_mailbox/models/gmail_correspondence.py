from odoo import fields, models
from odoo.tools import SQL


class GmailCorrespondence(models.Model):
    """When mail with a document last came and went, of what is shared there."""

    _name = "gmail.correspondence"
    _description = "Correspondence of a Document"
    _allow_sudo_commands = False
    _log_access = False

    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    last_received = fields.Datetime()
    last_sent = fields.Datetime()
    awaiting_since = fields.Datetime(
        help="The first mail from outside that nobody has answered yet"
    )

    _document_unique = models.Constraint(
        "UNIQUE(res_model, res_id)", "A document is counted once."
    )
    _awaiting_idx = models.Index("(res_model, awaiting_since)")

    def _recount(self, documents):
        """Look through what stands in documents.

        :param documents: (model, id) pairs
        """
        if not documents:
            return
        self.env["gmail.entry"].flush_model()
        names, ids = map(list, zip(*documents, strict=True))
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO gmail_correspondence (res_model, res_id, last_received,
                            last_sent, awaiting_since)
                SELECT d.res_model, d.res_id,
                       max(e.date) FILTER (WHERE e.direction = 'in'),
                       max(s.last),
                       min(e.date) FILTER (WHERE e.direction = 'in'
                                             AND e.is_automated IS NOT TRUE
                                             AND e.date > COALESCE(s.last, '-infinity'))
                  FROM unnest(%(names)s, %(ids)s) AS d(res_model, res_id)
             LEFT JOIN gmail_entry e USING (res_model, res_id)
    LEFT JOIN LATERAL (SELECT max(date) AS last FROM gmail_entry o
                        WHERE o.res_model = d.res_model AND o.res_id = d.res_id
                          AND o.direction = 'out'
                          AND (o.mail_message_id IS NOT NULL)) s ON TRUE
                 WHERE e.mail_message_id IS NOT NULL OR e.id IS NULL
                 GROUP BY d.res_model, d.res_id
                    ON CONFLICT (res_model, res_id)
                    DO UPDATE SET last_received = EXCLUDED.last_received,
                                  last_sent = EXCLUDED.last_sent,
                                  awaiting_since = EXCLUDED.awaiting_since
                """,
                names=names,
                ids=ids,
            )
        )
        self.invalidate_model()
