-- A copied database must not act for anybody: no tokens, no pending revocation (it
-- would cut off the original), every mailbox paused.
UPDATE gmail_credential
   SET refresh_token = NULL, access_token = NULL, access_token_expiry = NULL;
DELETE FROM gmail_revocation;
DELETE FROM gmail_authorization;
UPDATE gmail_mailbox
   SET state = 'paused', next_sync = NULL, lease_until = NULL
 WHERE state <> 'draft';
