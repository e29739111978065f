import logging
from concurrent.futures import ThreadPoolExecutor, wait

from .lib import errors, oauth

_logger = logging.getLogger(__name__)

# All revocations together may take this long; what is left then, the user withdraws
# at myaccount.google.com/permissions.
UNINSTALL_SECONDS = 60


def uninstall_hook(env):
    """Leave nothing behind: access at Google, attachments, parameters.

    Google is called after the commit, since an uninstallation may still fail.
    """
    service = env["gmail.oauth"]
    mailboxes = env["gmail.mailbox"].with_context(active_test=False).search([])
    for mailbox in mailboxes:
        service._disconnect(mailbox)
    tokens = service._waiting_revocations()
    endpoints = service._endpoints()
    env["ir.attachment"].search([("res_model", "=", "gmail.attachment")]).unlink()
    mails = env["mail.mail"].search(
        [
            ("mail_server_id.gmail_mailbox_id", "!=", False),
            ("state", "=", "outgoing"),
        ]
    )
    mails._gmail_give_up()
    env["ir.config_parameter"].search(
        [("key", "=like", "gmail_oauth_mailbox.%")]
    ).unlink()
    if tokens:
        env.cr.postcommit.add(lambda: _revoke_all(endpoints, tokens))


def _revoke_all(endpoints, tokens):
    """Revoke at Google what can be revoked within the time; best effort."""
    from .services.gmail_oauth import TRANSPORT

    pool = ThreadPoolExecutor(max_workers=8)
    futures = [pool.submit(oauth.revoke, TRANSPORT, endpoints, t) for t in tokens]
    done, late = wait(futures, timeout=UNINSTALL_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    failed = sum(isinstance(f.exception(), errors.GoogleError) for f in done)
    if failed or late:
        _logger.info("%s of %s accesses not withdrawn", failed + len(late), len(tokens))
