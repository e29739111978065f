from . import (
    gmail_addresses,
    gmail_bounces,
    gmail_chatter,
    gmail_check,
    gmail_compose,
    gmail_connect,
    gmail_contact_values,
    gmail_contacts,
    gmail_documents,
    gmail_emails,
    gmail_exclusions,
    gmail_export,
    gmail_files,
    gmail_keys,
    gmail_leaving,
    gmail_linker,
    gmail_meter,
    gmail_oauth,
    gmail_panel,
    gmail_people,
    gmail_scheduler,
    gmail_search,
    gmail_sender,
    gmail_setup,
    gmail_sharing,
    gmail_store,
    gmail_sync,
    gmail_wording,
)

# isort: split
# It extends gmail_sync.
from . import gmail_backfill
