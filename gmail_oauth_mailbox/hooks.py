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
