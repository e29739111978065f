def uninstall_hook(env):
    """Leave nothing behind: access at Google, attachments, waiting mail, parameters,
    and the key of the tokens."""
    service = env["gmail.oauth"]
    for mailbox in env["gmail.mailbox"].search([]):
        service._disconnect(mailbox)
    service._discard_waiting()
    service._revoke_after_commit()
    env["ir.attachment"].search(
        [("res_model", "in", ("gmail.attachment", "gmail.draft"))]
    ).unlink()
    env["mail.mail"].search(
        [("is_gmail", "=", True), ("state", "=", "outgoing")]
    )._gmail_give_up()
    env["ir.config_parameter"].search(
        [("key", "=like", "gmail_oauth_mailbox.%")]
    ).unlink()
    # Odoo notes our fields of mail.thread on models of addons that are loaded after
    # ours, but not that they are ours.
    names = [n for n in env["mail.thread"]._fields if n.startswith("gmail_")]
    env.cr.execute(
        """
        DELETE FROM ir_model_fields f
         WHERE name = ANY(%s) AND state = 'base'
           AND NOT EXISTS (SELECT FROM ir_model_data d
                            WHERE d.model = 'ir.model.fields' AND d.res_id = f.id)
        """,
        [names],
    )
