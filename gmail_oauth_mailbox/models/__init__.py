# The content models inherit it.
from . import gmail_owned

# isort: split
from . import (
    fetchmail_server,
    gmail_address,
    gmail_attachment,
    gmail_authorization,
    gmail_census,
    gmail_correspondence,
    gmail_credential,
    gmail_entry,
    gmail_filing,
    gmail_label,
    gmail_link,
    gmail_link_rule,
    gmail_mailbox,
    gmail_message,
    gmail_participant,
    gmail_pending,
    gmail_quarantine,
    gmail_quota,
    gmail_revocation,
    gmail_thread,
    gmail_tombstone,
    gmail_vote,
    ir_mail_server,
    mail_mail,
    mail_thread,
    res_config_settings,
    res_groups,
    res_users,
)
