"""An entry on a record is made from one copy of an email; see lib/rules/sharing.

Until 19.0.1.0.0 copies with the same Message-ID, From, Date and words were one email,
and links and entries belonged to it. From 19.0.1.1.0 the key is Message-ID and From,
a link belongs to a copy, and an entry names the copy that it is made from. All of it is
computed from stored columns, so nothing is downloaded again.
"""

# What lib.rules.same_email.mail_key returns, in SQL. Its parts end with a zero byte.
MAIL_KEY = r"""
    left(encode(sha256(
        CASE WHEN COALESCE(m.message_id, '') = ''
             THEN 'copy'::bytea ELSE 'id'::bytea END
        || '\x00'::bytea
        || convert_to(COALESCE(NULLIF(m.message_id, ''),
                               b.email || ' ' || m.gmail_id), 'UTF8')
        || '\x00'::bytea
        || convert_to(COALESCE(
               (SELECT p.address FROM gmail_participant p
                 WHERE p.message_id = m.id AND p.role = 'from'
                 ORDER BY p.id LIMIT 1), ''), 'UTF8')
        || '\x00'::bytea), 'hex'), 32)
"""
# Whether a participant ``p`` is a verified address of the mailbox ``b``: without what
# the spellings of a Gmail address, and of an address with a tag, differ in.
OWN_ADDRESSES = """
    CREATE FUNCTION pg_temp.gmail_plain(address text) RETURNS text
        LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN split_part(a, '@', 2) IN ('gmail.com', 'googlemail.com')
                    THEN replace(split_part(split_part(a, '@', 1), '+', 1), '.', '')
                         || '@gmail.com'
                    ELSE split_part(split_part(a, '@', 1), '+', 1) || '@'
                         || split_part(a, '@', 2) END
          FROM lower(address) AS a $$;
    CREATE TEMPORARY TABLE gmail_own_address ON COMMIT DROP AS
    SELECT DISTINCT b.id AS mailbox_id, pg_temp.gmail_plain(x) AS address
      FROM gmail_mailbox b
CROSS JOIN LATERAL unnest(string_to_array(
               concat_ws(' ', b.email, b.alias_addresses), ' ')) AS x;
"""


def migrate(cr, version):
    """Compute the keys, and have links and entries name copies."""
    cr.execute(OWN_ADDRESSES)
    _add_columns(cr)
    _compute_keys(cr)
    _prove_senders(cr)
    _link_copies(cr)
    _rename_keys(cr)
    _rename_service(cr)


def _add_columns(cr):
    cr.execute(
        """
        ALTER TABLE gmail_message
            ADD COLUMN IF NOT EXISTS header_date timestamp,
            ADD COLUMN IF NOT EXISTS content_digest varchar,
            ADD COLUMN IF NOT EXISTS is_list boolean;
        ALTER TABLE gmail_filing
            ADD COLUMN IF NOT EXISTS message_id int,
            ADD COLUMN IF NOT EXISTS is_wanted boolean;
        ALTER TABLE gmail_vote
            ADD COLUMN IF NOT EXISTS addresses varchar;
        -- The same email can have had several keys, and have two of a mailbox now.
        ALTER TABLE gmail_filing
            DROP CONSTRAINT IF EXISTS gmail_filing_once;
        ALTER TABLE gmail_vote
            DROP CONSTRAINT IF EXISTS gmail_vote_once;
        ALTER TABLE gmail_entry
            DROP CONSTRAINT IF EXISTS gmail_entry_once;
        """
    )


def _compute_keys(cr):
    """Give every message its key, also those that never had one, and note which came
    by a mailing list: it names its owner nowhere, and isn't a hidden copy."""
    cr.execute(
        """
        CREATE TEMPORARY TABLE gmail_new_key ON COMMIT DROP AS
        SELECT m.id, m.mailbox_id, m.mail_key AS former, """
        + MAIL_KEY  # nosec B608 - a constant
        + """ AS key
          FROM gmail_message m
          JOIN gmail_mailbox b ON b.id = m.mailbox_id;
        CREATE INDEX ON gmail_new_key (former);
        CREATE INDEX ON gmail_new_key (id);
        ANALYZE gmail_new_key;

        UPDATE gmail_message m
           SET mail_key = k.key,
               is_list = m.direction = 'in' AND m.is_bcc IS NOT TRUE
                         AND NOT EXISTS (
                             SELECT FROM gmail_participant p
                               JOIN gmail_own_address o
                                 ON o.mailbox_id = m.mailbox_id
                                AND o.address = pg_temp.gmail_plain(p.address)
                              WHERE p.message_id = m.id AND p.role IN ('to', 'cc'))
          FROM gmail_new_key k
         WHERE k.id = m.id
        """
    )


def _prove_senders(cr):
    """Gmail's label SENT vouches only for the mailbox's own verified addresses."""
    cr.execute(
        """
        UPDATE gmail_message m SET is_authentic = false
         WHERE m.direction = 'out' AND m.is_authentic
           AND NOT EXISTS (SELECT FROM gmail_participant p
                             JOIN gmail_own_address o
                               ON o.mailbox_id = m.mailbox_id
                              AND o.address = pg_temp.gmail_plain(p.address)
                            WHERE p.message_id = m.id AND p.role = 'from')
        """
    )


def _link_copies(cr):
    """Give each copy the links of its email in its own mailbox. Links whose copies are
    gone go: what the records show of them stays, in gmail.entry."""
    cr.execute(
        """
        ALTER TABLE gmail_filing ALTER COLUMN mail_key DROP NOT NULL;

        INSERT INTO gmail_filing (message_id, mailbox_id, res_model, res_id, kind,
                    notify, parent_id, is_wanted)
        SELECT DISTINCT ON (k.id, f.res_model, f.res_id)
               k.id, f.mailbox_id, f.res_model, f.res_id, f.kind, f.notify,
               f.parent_id,
               f.kind = 'reply' AND EXISTS (
                   SELECT FROM mail_message a, gmail_mailbox b, res_users u
                    WHERE a.id = f.parent_id AND b.id = f.mailbox_id
                      AND u.id = b.user_id AND a.author_id = u.partner_id)
          FROM gmail_filing f
          JOIN gmail_new_key k ON k.former = f.mail_key
                              AND k.mailbox_id = f.mailbox_id
          JOIN gmail_message m ON m.id = k.id
         WHERE m.is_bcc IS NOT TRUE
         ORDER BY k.id, f.res_model, f.res_id, f.kind = 'note', f.id;

        DELETE FROM gmail_filing WHERE message_id IS NULL;
        """
    )


def _rename_keys(cr):
    """Have choices, entries, and work left name the new keys. Those of emails that no
    mailbox holds any more keep theirs, which nothing else has."""
    cr.execute(
        """
        CREATE TEMPORARY TABLE gmail_renamed ON COMMIT DROP AS
        SELECT DISTINCT ON (former) former, key FROM gmail_new_key
         WHERE former IS NOT NULL ORDER BY former, id;
        CREATE UNIQUE INDEX ON gmail_renamed (former);

        UPDATE gmail_vote v SET mail_key = r.key
          FROM gmail_renamed r WHERE r.former = v.mail_key;
        -- Of several choices of a mailbox for an email, the strictest stays.
        DELETE FROM gmail_vote v USING (
            SELECT id, row_number() OVER (
                       PARTITION BY mail_key, mailbox_id
                       ORDER BY is_veto DESC NULLS LAST,
                                strpos('nobody metadata subject everything', level),
                                id) AS number
              FROM gmail_vote WHERE mailbox_id IS NOT NULL) x
         WHERE x.id = v.id AND x.number > 1;
        UPDATE gmail_vote SET addresses = split_part(former, ' ', 2)
         WHERE mailbox_id IS NULL AND former IS NOT NULL;

        UPDATE gmail_entry e SET mail_key = r.key
          FROM gmail_renamed r WHERE r.former = e.mail_key;

        UPDATE gmail_pending p SET mail_key = r.key
          FROM gmail_renamed r WHERE r.former = p.mail_key;
        -- Their copies may be imported again.
        INSERT INTO ir_config_parameter (key, value)
        SELECT 'gmail_oauth_mailbox.earlier_keys', 'True'
         WHERE EXISTS (SELECT mail_key FROM gmail_vote
                        UNION ALL SELECT mail_key FROM gmail_entry
                       EXCEPT SELECT key FROM gmail_new_key)
            ON CONFLICT DO NOTHING;
        -- Every entry becomes one of a single copy.
        INSERT INTO gmail_pending (mail_key)
        SELECT mail_key FROM gmail_entry
         UNION
        SELECT m.mail_key FROM gmail_message m
          JOIN gmail_filing f ON f.message_id = m.id
          JOIN gmail_vote v ON v.mail_key = m.mail_key;
        """
    )


def _rename_service(cr):
    """Have the scheduled action call gmail.linking before gmail.sharing goes, or Odoo
    deletes it with the model. Its name, interval and state stay as they are."""
    cr.execute(
        """
        UPDATE ir_model SET model = 'gmail.linking' WHERE model = 'gmail.sharing';
        UPDATE ir_model_fields SET model = 'gmail.linking'
         WHERE model = 'gmail.sharing';
        UPDATE ir_model_data
           SET name = replace(name, 'gmail_sharing', 'gmail_linking')
         WHERE module = 'gmail_oauth_mailbox'
           AND (name = 'model_gmail_sharing'
                OR starts_with(name, 'field_gmail_sharing__'));
        UPDATE ir_act_server a
           SET code = replace(a.code, '_cron_file()', '_cron_link()')
          FROM ir_model m
         WHERE m.id = a.model_id AND m.model = 'gmail.linking';
        """
    )
