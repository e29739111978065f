"""Fills a database with very much mail at once, by SQL, as years of work leave it.

Mail comes from few people often and from many seldom: the number of a contact is drawn
as ``contacts * random ** 3``. A third of its mail with contacts is shared.
"""

# One statement each; {messages}, {threads}, {contacts}, {mailboxes} are numbers.
# Message n is of conversation n / 3; mailbox 1 has ten of eleven conversations.
FILL = (
    "DROP INDEX gmail_message_search_idx",
    "SELECT setseed(0.19)",
    # A vocabulary in which some words are frequent, as in every language.
    """
    CREATE TEMP TABLE word AS
    SELECT n, substr(translate(md5(n::text), '0123456789', 'aeiouaeiou'), 1,
                     4 + n % 7) AS word
      FROM generate_series(0, 19999) n
    """,
    "CREATE UNIQUE INDEX ON word (n)",
    """
    INSERT INTO res_partner (name, complete_name, is_company, active, type)
    SELECT 'Customer ' || n, 'Customer ' || n, true, true, 'contact'
      FROM generate_series(0, {contacts} / 5) n
    """,
    """
    CREATE TEMP TABLE company AS
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n
      FROM res_partner WHERE name LIKE 'Customer %'
    """,
    "UPDATE res_partner SET commercial_partner_id = id WHERE name LIKE 'Customer %'",
    """
    INSERT INTO res_partner (name, complete_name, email, email_normalized, active,
                type, parent_id, commercial_partner_id, partner_share)
    SELECT 'Person ' || g, 'Person ' || g, a.email, a.email, true, 'contact', c.id,
           c.id, true
      FROM generate_series(0, {contacts} - 1) g
      JOIN company c ON c.n = g / 5
CROSS JOIN LATERAL (
           SELECT 'person' || g || '@customer' || g / 5 || '-example.test') a(email)
    """,
    """
    CREATE TEMP TABLE person AS
    SELECT id, email, name, row_number() OVER (ORDER BY id) - 1 AS n
      FROM res_partner WHERE name LIKE 'Person %'
    """,
    "CREATE UNIQUE INDEX ON person (n)",
    """
    CREATE TEMP TABLE conversation AS
    SELECT n, (random() ^ 3 * ({contacts} - 1))::int AS person,
           (ARRAY{mailboxes})[CASE WHEN n %% 11 > 0 THEN 1 ELSE 2 + n / 11 %% 4 END]
               AS mailbox,
           timestamp '2026-11-20' - n * interval '4 minutes' AS date,
           ARRAY(SELECT (random() ^ 3 * 19999)::int
                   FROM generate_series(1, 5) WHERE n IS NOT NULL) AS subject
      FROM generate_series(0, {threads} - 1) n
    """,
    """
    INSERT INTO gmail_thread (mailbox_id, gmail_id, subject, participants, snippet,
                last_date, message_count, unread_count)
    SELECT c.mailbox, 't' || c.n, s.subject, p.name, 'Dear all, ' || s.subject,
           c.date + interval '3 hours', 3, (c.n %% 50 = 0)::int
      FROM conversation c
      JOIN person p ON p.n = c.person
CROSS JOIN LATERAL (SELECT string_agg(word, ' ') FROM word
                     WHERE n = ANY(c.subject)) s(subject)
    """,
    "CREATE INDEX ON conversation (n)",
    """
    CREATE TEMP TABLE thread AS
    SELECT id, substr(gmail_id, 2)::int AS n, subject FROM gmail_thread
     WHERE gmail_id LIKE 't%%'
    """,
    "CREATE UNIQUE INDEX ON thread (n)",
    "ANALYZE thread",
    "ANALYZE conversation",
    "ANALYZE person",
    """
    INSERT INTO gmail_message (mailbox_id, thread_id, gmail_id, message_id, mail_key,
                subject, date, direction, from_name, from_email, snippet, body, size,
                is_authentic, content_digest, search_text)
    SELECT c.mailbox, t.id, 'm' || g, '<' || g || '@example.test>', md5(g::text),
           t.subject, c.date + g %% 3 * interval '1 hour',
           CASE g %% 3 WHEN 1 THEN 'out' ELSE 'in' END, p.name, p.email,
           left(x.words, 120), '<p>' || x.words || '</p>', 4000, true, md5(g::text),
           lower(t.subject || ' ' || p.name || ' ' || replace(p.email, '@', ' ')
                 || ' ' || x.words)
      FROM generate_series(0, {messages} - 1) g
      JOIN conversation c ON c.n = g / 3
      JOIN thread t ON t.n = c.n
      JOIN person p ON p.n = c.person
CROSS JOIN LATERAL (
           SELECT string_agg(word.word, ' ')
             FROM generate_series(1, 40) h
             JOIN word ON word.n =
                  (((hashint4(g * 64 + h) & 65535) / 65536.0) ^ 3 * 19999)::int
            ) x(words)
    """,
    """
    CREATE TEMP TABLE message AS
    SELECT id, mailbox_id, substr(gmail_id, 2)::int AS n, mail_key, date, direction,
           subject
      FROM gmail_message WHERE gmail_id LIKE 'm%%'
    """,
    """
    INSERT INTO gmail_participant (mailbox_id, message_id, role, name, address,
                address_key, partner_id)
    SELECT m.mailbox_id, m.id, CASE m.direction WHEN 'in' THEN 'from' ELSE 'to' END,
           p.name, p.email, p.email, p.id
      FROM message m
      JOIN conversation c ON c.n = m.n / 3
      JOIN person p ON p.n = c.person
     UNION ALL
    SELECT m.mailbox_id, m.id, CASE m.direction WHEN 'in' THEN 'to' ELSE 'from' END,
           'Anna Keller', 'anna.keller@corp-example.test',
           'anna.keller@corp-example.test', NULL
      FROM message m
    """,
    """
    INSERT INTO gmail_link (mailbox_id, thread_id, res_model, res_id, state, origin)
    SELECT c.mailbox, t.id, 'res.partner', p.id, 'linked', 'contact'
      FROM conversation c
      JOIN thread t USING (n)
      JOIN person p ON p.n = c.person
    """,
    """
    INSERT INTO gmail_filing (message_id, mailbox_id, res_model, res_id, kind)
    SELECT m.id, m.mailbox_id, 'res.partner', p.id, 'note'
      FROM message m
      JOIN conversation c ON c.n = m.n / 3
      JOIN person p ON p.n = c.person
    """,
    """
    INSERT INTO mail_message (model, res_id, message_type, subtype_id, is_internal,
                subject, body, date, message_id, author_id, reply_to)
    SELECT 'res.partner', p.id, 'email', {note}, true, m.subject,
           '<p>' || m.subject || '</p>', m.date, 'bench' || m.n, p.id, ''
      FROM message m
      JOIN conversation c ON c.n = m.n / 3
      JOIN person p ON p.n = c.person
     WHERE c.n %% 3 = 0
    """,
    """
    INSERT INTO gmail_entry (mail_key, digest, message_id, mailbox_id, res_model,
                res_id, mail_message_id, kind, level, date, direction)
    SELECT m.mail_key, m.mail_key, m.id, m.mailbox_id, 'res.partner', x.res_id, x.id,
           'note', 'everything', m.date, m.direction
      FROM mail_message x
      JOIN message m ON m.n = substr(x.message_id, 6)::int
     WHERE x.message_id LIKE 'bench%%'
    """,
    """
    CREATE INDEX gmail_message_search_idx ON gmail_message
     USING gin (search_vector)
    """,
)


def fill(cr, mailbox_ids, messages, contacts, note_id):
    """Store mail.

    :param mailbox_ids: five; the first gets ten of eleven messages
    :param messages: how many, a multiple of three
    :param contacts: how many people there are to write to
    :param note_id: the subtype of what is shared
    """
    cr.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for statement in FILL:
        cr.execute(
            statement.format(
                messages=messages,
                threads=messages // 3,
                contacts=contacts,
                mailboxes=list(mailbox_ids),
                note=note_id,
            ).replace("%%", "%")
        )
