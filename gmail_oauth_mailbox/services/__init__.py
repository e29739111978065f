from . import (
    gmail_files,
    gmail_oauth,
    gmail_panel,
    gmail_reply,
    gmail_scheduler,
    gmail_sender,
    gmail_sync,
)
