"""A database of an older version: updated, it loses nothing; not updated, Gmail stops
and Odoo keeps working."""

import html
import http.cookiejar
import json
import pathlib
import re
import time
import urllib.error
import urllib.parse
import urllib.request

import cmd_run
import log_check
import pytest
from database_server import server
from odoo_server import Odoo

from odoo.addons.gmail_oauth_mailbox.lib.mime.addresses import address_key
from odoo.addons.gmail_oauth_mailbox.lib.rules.same_email import mail_key

from . import log_watch, old_database
from .fixtures import VARIABLES, VERSION

ADDON = "gmail_oauth_mailbox"
SHELL = pathlib.Path(__file__).with_name("upgraded_database.py").read_text()
INSTALLED = f"SELECT latest_version FROM ir_module_module WHERE name = '{ADDON}'"
EXTERNAL_IDS = (
    f"SELECT name || ' (' || model || ')' FROM ir_model_data WHERE module = '{ADDON}'"
)
# Rows that an update may delete, or columns that it may change, by their reason.
MAY_LOSE = {
    "gmail_filing": "a link belongs to a copy since 19.0.1.1.0: see LINKS_OF_COPIES",
}
KEY = "it is Message-ID and From since 19.0.1.1.0"
MAY_CHANGE = {
    "gmail_message": {
        "mail_key": KEY,
        "is_authentic": "the label SENT vouches for the mailbox's own addresses alone",
    },
    "gmail_vote": {"mail_key": KEY},
    "gmail_quarantine": {"is_retried": "an update has failed messages tried again"},
    "gmail_entry": {
        "mail_key": KEY,
        "addresses": "they are keys of addresses since 19.0.1.2.0",
    },
}
# The links of copies that are there, before and after.
LINKS_OF_COPIES = (
    """
    SELECT DISTINCT m.id, f.res_model, f.res_id, f.notify, f.parent_id
      FROM gmail_filing f
      JOIN gmail_message m ON m.mail_key = f.mail_key AND m.mailbox_id = f.mailbox_id
     WHERE m.is_bcc IS NOT TRUE""",
    """
    SELECT DISTINCT message_id, res_model, res_id, notify, parent_id
      FROM gmail_filing""",
)
# Addresses that aren't their own key.
SPELLINGS = """
    INSERT INTO gmail_participant (mailbox_id, message_id, role, address)
    SELECT m.mailbox_id, m.id, 'cc', x
      FROM (SELECT mailbox_id, id FROM gmail_message ORDER BY id LIMIT 1) m,
           unnest(ARRAY['jane.roe@googlemail.com', 'info@bücher.example', 'a b@x.test',
                        'root']) x;
"""
FORMER_INDEX = "gmail_participant__address_index"
# What no column may lose on the way, even when it gets another name.
FACTS = {
    "owners and addresses": """
        SELECT m.id, m.email, u.login, m.state, m.is_default
          FROM gmail_mailbox m JOIN res_users u ON u.id = m.user_id""",
    "sharing of mailboxes": """
        SELECT id, sharing_level, sharing_steps FROM gmail_mailbox""",
    "sharing of conversations": """
        SELECT id, sharing_level FROM gmail_thread WHERE sharing_level IS NOT NULL""",
    "drafts": """
        SELECT d.id, d.state, d."to", d.subject, d.body, d.send_at, m.email_from
          FROM gmail_draft d LEFT JOIN mail_mail l ON l.id = d.mail_id
          LEFT JOIN mail_message m ON m.id = l.mail_message_id""",
    "Google contacts": """
        SELECT c.id, c.name, c.email, c.outcome, p.name, p.email
          FROM gmail_contact c LEFT JOIN res_partner p ON p.id = c.partner_id""",
    "links": "SELECT id, thread_id, res_model, res_id, state FROM gmail_link",
    "exclusions": "SELECT id, pattern, user_id FROM gmail_exclusion",
    "removed emails": "SELECT mailbox_id, gmail_id FROM gmail_tombstone",
    "failed emails": "SELECT mailbox_id, gmail_id, code FROM gmail_quarantine",
    "choices of deleted mailboxes": """
        SELECT id, former, level FROM gmail_vote WHERE former IS NOT NULL""",
    "chatter entries": """
        SELECT e.id, e.kind, e.level, m.id, m.model, m.res_id, m.subject, m.body
          FROM gmail_entry e LEFT JOIN mail_message m ON m.id = e.mail_message_id""",
    "messages in the chatter": """
        SELECT id, model, res_id, message_type, is_internal, subject, body
          FROM mail_message""",
    "what entries show": """
        SELECT e.id, e.kind, e.level, e.res_model, e.res_id, m.id, m.subject
          FROM gmail_entry e LEFT JOIN mail_message m ON m.id = e.mail_message_id""",
    "scheduled actions": f"""
        SELECT d.name, c.cron_name, c.active, c.interval_number, c.interval_type
          FROM ir_cron c JOIN ir_model_data d ON d.res_id = c.id
         WHERE d.model = 'ir.cron' AND d.module = '{ADDON}'""",
}
# Of these the text says which mailbox they are from, once they are settled.
REWRITTEN = {"chatter entries", "messages in the chatter"}
# Of the first fixture: emails that belong to no record.
WITHOUT_LINK = """
    SELECT m.id FROM gmail_message m
     WHERE NOT EXISTS (SELECT FROM gmail_link l WHERE l.thread_id = m.thread_id)
       AND NOT EXISTS (SELECT FROM gmail_filing f WHERE f.mail_key = m.mail_key
                          AND f.mailbox_id = m.mailbox_id)"""
QUEUED = """
    SELECT message_id FROM gmail_pending
     WHERE message_id IS NOT NULL AND is_new IS NOT TRUE"""
# Of the emails without a key, those whose sender is a contact.
NEVER_LINKED = """
    SELECT m.id || ' ' || p.partner_id FROM gmail_message m
      JOIN gmail_participant p ON p.message_id = m.id AND p.role = 'from'
     WHERE m.message_id IS NOT NULL AND m.mail_key IS NULL
       AND p.partner_id IS NOT NULL"""
LINKED_TO = """
    SELECT m.id || ' ' || l.res_id FROM gmail_message m
      JOIN gmail_link l ON l.thread_id = m.thread_id
     WHERE l.res_model = 'res.partner' AND l.state = 'linked'"""


class Data:
    """What a database holds, read by SQL."""

    def __init__(self, odoo, name):
        self.odoo, self.name = odoo, name

    def query(self, statement):
        return self.odoo.server.query(statement, self.name)

    def tables(self):
        """Return {table of the addon: its columns}, tables of relations included."""
        found = {}
        for line in self.query(
            """
            SELECT table_name, column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name LIKE 'gmail_%'
               AND is_generated = 'NEVER' ORDER BY 1, 2"""
        ):
            table, column = line.split("|")
            found.setdefault(table, []).append(column)
        return found

    def rows(self, table, columns):
        """Return {id: digest of columns}; the id of a relation is its digest."""
        listed = ", ".join(f'"{column}"' for column in columns)
        digest = f"md5(ROW({listed})::text)"
        key = "id::text" if "id" in columns else digest
        lines = self.query(f'SELECT {key}, {digest} FROM "{table}"')
        return dict(line.split("|") for line in lines)

    def checksums(self):
        """Return {table: digest of all its rows}, for tables nothing may write to."""
        found = {
            table: sorted(self.rows(table, columns).items())
            for table, columns in self.tables().items()
        }
        # Odoo itself notes when it ran a scheduled action.
        found["ir_cron"] = self.query(
            "SELECT id, cron_name, active, interval_number, interval_type, priority"
            " FROM ir_cron ORDER BY id"
        )
        found["ir_config_parameter"] = self.query(
            "SELECT key, value FROM ir_config_parameter"
            f" WHERE key LIKE '{ADDON}.%' ORDER BY key"
        )
        found["ir_model_data"] = self.query(
            "SELECT id, module, name, model, res_id, noupdate FROM ir_model_data"
            f" WHERE module = '{ADDON}' ORDER BY id"
        )
        return found


# ----------------------------------------------------------------------
# What an update must keep: each check yields what is wrong
# ----------------------------------------------------------------------


def rows_are_lost(old, new):
    there = new.tables()
    for table, columns in old.tables().items():
        if table not in there:
            yield f"{table} is gone"
            continue
        common = [column for column in columns if column in there[table]]
        gone = old.rows(table, common).keys() - new.rows(table, common).keys()
        if gone and table not in MAY_LOSE:
            yield f"{table}: {len(gone)} rows are gone"


def values_change(old, new):
    there = new.tables()
    for table, columns in old.tables().items():
        skipped = MAY_CHANGE.get(table, {})
        common = [c for c in columns if c in there.get(table, ()) and c not in skipped]
        if "id" not in common:
            continue
        before, after = old.rows(table, common), new.rows(table, common)
        changed = [i for i in before.keys() & after.keys() if before[i] != after[i]]
        if changed:
            yield f"{table}: {len(changed)} rows are changed"


def facts_change(old, new, but=()):
    for name, statement in FACTS.items():
        if name in but:
            continue
        before, after = set(old.query(statement)), set(new.query(statement))
        if before - after:
            yield f"{name}: {sorted(before - after)[:3]}"


def keys_are_missing(_old, new):
    """SQL has computed what Python computes."""
    lines = new.query(
        """
        SELECT json_build_array(m.id, m.mail_key, m.message_id, p.address,
                                b.email || ' ' || m.gmail_id)
          FROM gmail_message m
          JOIN gmail_mailbox b ON b.id = m.mailbox_id
          LEFT JOIN gmail_participant p ON p.message_id = m.id AND p.role = 'from'"""
    )
    assert lines
    for row in map(json.loads, lines):
        number, key, message_id, sender, of_one_copy = row
        if key != mail_key(message_id or "", sender or "", of_one_copy):
            yield f"{number}: {key}"


def address_keys_are_missing(_old, new):
    """SQL has computed what Python computes, wherever something is found by a key."""
    found = set()
    for table, name, key in (
        ("gmail_participant", "address", "address_key"),
        ("gmail_contact", "email", "email_key"),
    ):
        lines = new.query(
            f"SELECT json_build_array({name}, {key}) FROM {table} WHERE {name} <> ''"
        )
        assert lines
        for address, stored in map(json.loads, lines):
            found.add(stored)
            if stored != address_key(address):
                yield f"{table}: {address} has the key {stored}"
    assert {"janeroe@gmail.com", "info@xn--bcher-kva.example"} <= found
    if FORMER_INDEX in new.query("SELECT indexname FROM pg_indexes"):
        yield FORMER_INDEX


def links_change(old, new):
    before, after = (
        set(data.query(statement))
        for data, statement in zip((old, new), LINKS_OF_COPIES, strict=True)
    )
    assert before
    yield from sorted(before ^ after)


def emails_are_not_queued(old, new):
    expected, queued = set(old.query(WITHOUT_LINK)), set(new.query(QUEUED))
    for message in sorted(expected ^ queued):
        yield f"{message} is {'not ' if message in expected else ''}queued"


KEPT = (
    rows_are_lost,
    values_change,
    facts_change,
    keys_are_missing,
    address_keys_are_missing,
    links_change,
    emails_are_not_queued,
)


@pytest.fixture(scope="module")
def odoo():
    """Odoo on the PostgreSQL server of this run."""
    with server() as running:
        yield Odoo(running)


@pytest.fixture(scope="module")
def old(odoo):
    """The database of the older version, as its dump holds it."""
    with old_database.restored(odoo) as name:
        old_database.execute(odoo, name, SPELLINGS.encode())
        yield Data(odoo, name)


@pytest.fixture(scope="module")
def updated(odoo, old):
    """A copy of the old database, updated to the code of the repository."""
    with old_database.copied(odoo, old.name, "updated") as name:
        # Odoo.run raises when the log holds WARNING or above.
        odoo.run(name, "server", "-u", ADDON, "--stop-after-init", **VARIABLES)
        yield Data(odoo, name)


def shell(data, *acts):
    """Run acts of upgraded_database.py; return {act: its result}."""
    output = data.odoo.run(
        data.name,
        "shell",
        "--no-http",
        script=SHELL,
        UPGRADE_ACTS=" ".join(acts),
        **VARIABLES,
    )
    assert not log_watch.leaks(output)
    (line,) = re.findall(r"^RESULT (.*)$", output, re.MULTILINE)
    return json.loads(line)


def test_the_dump_is_filled(old):
    """The other tests compare rows: there are some of each kind."""
    assert old.query(INSTALLED) == [VERSION]
    (messages,) = old.query("SELECT count(*) FROM gmail_message")
    assert int(messages) >= 300
    assert len(old.query(NEVER_LINKED)) >= 40
    for name, statement in FACTS.items():
        assert old.query(statement), name
    levels = old.query("SELECT DISTINCT sharing_level FROM gmail_thread ORDER BY 1")
    assert levels == ["everything", "metadata", "nobody", "subject", ""]
    kinds = old.query("SELECT DISTINCT kind FROM gmail_entry ORDER BY 1")
    assert kinds == ["note", "reply", "stock"]


@pytest.mark.parametrize("check", KEPT, ids=lambda check: check.__name__)
def test_an_update_keeps(old, updated, check):
    assert list(check(old, updated)) == []


def test_an_update_leaves_no_stale_records(odoo, old, updated):
    """What the addon has in Odoo's own tables is what a new installation has."""
    fresh = Data(odoo, odoo.addon_template())
    assert set(updated.query(EXTERNAL_IDS)) <= set(fresh.query(EXTERNAL_IDS))
    assert set(old.query(EXTERNAL_IDS)) & set(updated.query(EXTERNAL_IDS))
    assert updated.query(INSTALLED) == fresh.query(INSTALLED)
    found = shell(updated, "stale", "tokens")
    assert found["stale"] == []
    emails = old.query("SELECT email FROM gmail_mailbox")
    assert found["tokens"] == {email: ["ya29", "1//"] for email in emails}


def test_queued_emails_are_linked(odoo, old, updated):
    """Emails that no version has linked are linked to their contact, and those that
    were linked stay as they are."""
    with old_database.copied(odoo, updated.name, "linked") as name:
        linked = Data(odoo, name)
        assert set(old.query(NEVER_LINKED)) & set(updated.query(LINKED_TO)) == set()
        assert shell(linked, "link") == {"link": 0}
        assert set(old.query(NEVER_LINKED)) <= set(linked.query(LINKED_TO))
        assert list(rows_are_lost(old, linked)) == []
        assert list(facts_change(old, linked, but=REWRITTEN)) == []
        unnamed = "SELECT id FROM gmail_entry WHERE digest IS NULL AND kind = 'stock'"
        assert linked.query(unnamed) == []


# ----------------------------------------------------------------------
# Without the update
# ----------------------------------------------------------------------

LATER = """
    DO $$ DECLARE c record; BEGIN
        FOR c IN SELECT table_name, column_name FROM information_schema.columns
                  WHERE table_schema = 'public' AND table_name LIKE 'gmail\\_%'
                    AND table_name NOT LIKE '%\\_rel'
                    AND column_name NOT IN ('id', 'create_uid', 'create_date',
                                            'write_uid', 'write_date')
        LOOP
            EXECUTE format('ALTER TABLE %I RENAME COLUMN %I TO %I',
                           c.table_name, c.column_name, c.column_name || '_');
        END LOOP;
    END $$"""
# Others could ask servers of Odoo's own.
NOT_DUE = """
    DELETE FROM ir_cron_trigger;
    UPDATE ir_cron SET nextcall = '2100-01-01'"""
DUE = f"""
    UPDATE ir_cron SET active = TRUE, nextcall = now() AT TIME ZONE 'UTC'
     WHERE id IN (SELECT res_id FROM ir_model_data
                   WHERE model = 'ir.cron'
                     AND (module = '{ADDON}'
                          OR name IN ('autovacuum_job',
                                      'ir_cron_mail_scheduler_action')))
 RETURNING id"""
PREFERENCES = """
    SELECT res_id FROM ir_model_data
     WHERE module = 'base' AND name = 'view_users_form_simple_modif'"""
SENTENCE = "Gmail is being updated. Ask your administrator to finish the update."
# Odoo logs what it tells users, and columns that are missing.
ALLOWED = (SENTENCE, "Missing not-null constraint")


class Browser:
    """A session with a running Odoo."""

    def __init__(self, address):
        self.address = address
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def open(self, path, data=None):
        form = urllib.parse.urlencode(data).encode() if data else None
        with self.opener.open(f"{self.address}{path}", form, timeout=60) as response:
            return response.geturl(), response.read().decode()

    def login(self, login):
        _url, page = self.open("/web/login")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        values = {"csrf_token": html.unescape(token), "login": login, "password": login}
        return self.open("/web/login", values)

    def call(self, model, method, *arguments, **keywords):
        """Return the result of a call over RPC, or the sentence that refuses it."""
        params = {
            "model": model,
            "method": method,
            "args": arguments,
            "kwargs": keywords,
        }
        request = urllib.request.Request(
            f"{self.address}/web/dataset/call_kw/{model}/{method}",
            json.dumps({"jsonrpc": "2.0", "params": params}).encode(),
            {"Content-Type": "application/json"},
        )
        with self.opener.open(request, timeout=60) as response:
            answer = json.load(response)
        error = answer.get("error")
        return error["data"]["message"] if error else answer["result"]


def wait_until(found, what, log):
    end = time.monotonic() + 90
    while not found():
        assert time.monotonic() < end, f"{what}: {log.read_text()[-3000:]}"
        time.sleep(0.2)


def run_scheduled_actions(data, wanted, log):
    """Have the server run what is due, and wait until the log says that it has."""

    def ran():
        data.odoo.server.query(f"NOTIFY cron_trigger, '{data.name}'")
        return wanted <= set(re.findall(r"\((\d+)\) fully done", log.read_text()))

    assert len(wanted) > 10
    wait_until(ran, "scheduled actions", log)


def use(address, data):
    """Use Odoo as Anna does, and as the administrator."""
    anna = Browser(address)
    url, _page = anna.login("anna")
    assert urllib.parse.urlsplit(url).path == "/odoo"
    _url, page = anna.open("/odoo")
    assert "odoo.__session_info__" in page or "session_info" in page
    state = anna.call("gmail.mailbox", "panel_state")
    assert (state["setup_message"], state["mailboxes"]) == (SENTENCE, [])
    # What asks for mail all the same gets the sentence, and no error.
    assert anna.call("gmail.mailbox", "panel_threads", False) == SENTENCE
    assert anna.call("gmail.draft", "panel_begin", "new") == SENTENCE
    (lead,) = data.query("SELECT min(id) FROM crm_lead")
    post = anna.call(
        "crm.lead",
        "message_post",
        [int(lead)],
        body="Odoo works",
        message_type="comment",
        subtype_xmlid="mail.mt_comment",
    )
    assert isinstance(post, (int, list)), post
    fields = {"name": {}, "gmail_email_count": {}, "gmail_awaiting_since": {}}
    [read] = anna.call("crm.lead", "web_read", [int(lead)], specification=fields)
    assert read["name"].startswith("Case ")
    found = anna.call(
        "crm.lead", "search", [["gmail_awaiting_since", "!=", False]], limit=5
    )
    assert found == []
    (view,) = data.query(PREFERENCES)
    found = anna.call("res.users", "get_views", [[int(view), "form"]], {})
    text = json.dumps(found["views"])
    assert SENTENCE in text and "gmail_mailbox_ids" not in text
    admin = Browser(address)
    admin.login("admin")
    state = admin.call("gmail.mailbox", "panel_state")
    assert state["setup_message"].endswith(f"run: {command(data)}")


def command(data):
    return f"odoo -d {data.name} -u {ADDON} --stop-after-init"


@pytest.mark.parametrize("schema", ["the same columns", "other columns"])
def test_without_the_update_gmail_stops(odoo, old, tmp_path, schema):
    """Users get one clear sentence, the log names the command, and nothing of the
    addon is written. Odoo works, though the addon's tables cannot be read."""
    log = tmp_path / "odoo.log"
    with old_database.copied(odoo, old.name, "not_updated") as name:
        data = Data(odoo, name)
        if schema == "other columns":
            old_database.execute(odoo, name, LATER.encode())
        data.query(NOT_DUE)
        due = set(data.query(DUE))
        before = data.checksums()
        with (
            cmd_run.reserved_port(0, "--port") as port,
            odoo.configured(name, http_port=port, max_cron_threads=1) as configuration,
            cmd_run.process(
                odoo.command("server"),
                log,
                env=odoo.environment(ODOO_RC=str(configuration), **VARIABLES),
                cwd=odoo.root,
            ) as child,
        ):
            address = f"http://127.0.0.1:{port}"
            cmd_run.wait_for(f"{address}/web/login", child, log)
            use(address, data)
            run_scheduled_actions(data, due, log)
        assert data.checksums() == before
        errors = log_check.failures(log.read_text())
        errors = [line for line in errors if not any(text in line for text in ALLOWED)]
        assert errors, "the log names no command"
        assert all(command(data) in line for line in errors), "\n".join(errors)
