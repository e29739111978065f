-- A copied database must not act for anybody: no tokens, no pending revocation (it
-- would cut off the original), every mailbox paused.
UPDATE gmail_credential
   SET refresh_token = NULL, access_token = NULL, access_token_expiry = NULL;
-- Nothing is left that the original's key could open: the copy makes its own.
DELETE FROM ir_config_parameter
 WHERE key IN ('gmail_oauth_mailbox.key_fingerprint',
               'gmail_oauth_mailbox.key_name',
               'gmail_oauth_mailbox.database_identity');
DELETE FROM gmail_revocation;
DELETE FROM gmail_authorization;
UPDATE gmail_mailbox
   SET state = 'paused', next_sync = NULL, lease_until = NULL
 WHERE state <> 'draft';
