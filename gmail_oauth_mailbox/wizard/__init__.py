from . import (
    gmail_mailbox_connect,
    gmail_mailbox_disconnect,
    gmail_setup_check,
    mail_compose_message,
)
