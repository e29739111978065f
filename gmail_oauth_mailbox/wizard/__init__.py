from . import gmail_mailbox_connect, mail_compose_message
