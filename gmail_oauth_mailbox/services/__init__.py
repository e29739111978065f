from . import (
    gmail_connect,
    gmail_files,
    gmail_oauth,
    gmail_panel,
    gmail_reply,
    gmail_scheduler,
    gmail_sender,
    gmail_setup,
    gmail_sync,
    gmail_wording,
)
