from . import (
    gmail_check,
    gmail_connect,
    gmail_files,
    gmail_keys,
    gmail_oauth,
    gmail_panel,
    gmail_reply,
    gmail_scheduler,
    gmail_sender,
    gmail_setup,
    gmail_sync,
    gmail_wording,
)
