# The content models inherit it.
from . import gmail_owned

# isort: split
from . import (
    fetchmail_server,
    gmail_address,
    gmail_attachment,
    gmail_authorization,
    gmail_census,
    gmail_credential,
    gmail_label,
    gmail_mailbox,
    gmail_message,
    gmail_participant,
    gmail_quarantine,
    gmail_quota,
    gmail_revocation,
    gmail_thread,
    gmail_tombstone,
    ir_mail_server,
    mail_mail,
    mail_thread,
    res_config_settings,
    res_groups,
    res_users,
)
