from . import gmail_mailbox_connect
