from . import (
    base_partner_merge,
    gmail_contact_link,
    gmail_erase,
    gmail_exclude,
    gmail_label_switch,
    gmail_mailbox_connect,
    gmail_mailbox_disconnect,
    gmail_setup_check,
    mail_compose_message,
)
