"""Install, update and uninstall in Odoo processes of their own, on a fresh copy."""

import pytest
from database_server import server
from odoo_server import BASE_MODULES, Odoo

ADDON = "gmail_oauth_mailbox"
UNINSTALL = f"""
module = env["ir.module.module"].search([("name", "=", "{ADDON}")])
module.button_immediate_uninstall()
"""
STATE = f"SELECT state FROM ir_module_module WHERE name = '{ADDON}'"
# Each query lists names; none may be there after the uninstallation that was not
# there before the installation.
INVENTORY = {
    "tables and views": """
        SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = 'public' AND relkind IN ('r', 'v', 'm', 'S', 'p')""",
    "columns": """
        SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public'""",
    "indexes": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """
        SELECT conrelid::regclass || '.' || conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "functions": """
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    "parameters": "SELECT key FROM ir_config_parameter",
    "scheduled actions": "SELECT cron_name FROM ir_cron",
    "models": "SELECT model FROM ir_model",
    "fields": "SELECT model || '.' || name FROM ir_model_fields",
    "external ids": """
        SELECT module || '.' || name FROM ir_model_data
        WHERE model != 'ir.model.inherit'""",
    "inheritance": """
        SELECT module || '.' || name FROM ir_model_data
        WHERE model = 'ir.model.inherit'""",
    "views": "SELECT coalesce(key, name) FROM ir_ui_view",
    "menus": "SELECT name::text FROM ir_ui_menu",
    "actions": "SELECT name::text FROM ir_actions",
    "access lines": "SELECT name FROM ir_model_access",
    "record rules": "SELECT coalesce(name, id::text) FROM ir_rule",
    "groups": "SELECT name::text FROM res_groups",
    "mail servers": "SELECT name FROM ir_mail_server",
    "fetch servers": "SELECT name FROM fetchmail_server",
    # Bundles carry no trace of an addon in their name: only those of ours count.
    "attachments": f"""
        SELECT coalesce(res_model, '') || ' ' || name FROM ir_attachment
        WHERE res_model LIKE 'gmail.%' OR name LIKE '%{ADDON}%'
           OR url LIKE '%{ADDON}%'""",
}


@pytest.fixture(scope="module")
def odoo():
    """Odoo on the PostgreSQL server of this run."""
    with server() as running:
        yield Odoo(running)


ON_EVERY_DOCUMENT = (
    "gmail_email_count",
    "gmail_last_received",
    "gmail_last_sent",
    "gmail_awaiting_since",
)


def _inventory(odoo, database):
    return {
        what: set(odoo.server.query(query, database))
        for what, query in INVENTORY.items()
    }


def _added(before, after):
    """What stands in `after` only, by kind; kinds without any are left out."""
    added = {what: sorted(names - before[what]) for what, names in after.items()}
    return {what: names for what, names in added.items() if names}


@pytest.mark.parametrize("modules", [("mail",), BASE_MODULES], ids="-".join)
def test_installs_updates_and_leaves_nothing_behind(odoo, modules):
    """Every step logs no WARNING; uninstalling removes all that installing made."""
    with odoo.temporary(odoo.base_template(modules), "lifecycle") as database:
        before = _inventory(odoo, database)
        # Odoo.run raises when the log holds WARNING or above.
        odoo.run(database, "server", "-i", ADDON, "--stop-after-init")
        assert odoo.server.query(STATE, database) == ["installed"]
        installed = _inventory(odoo, database)
        assert installed["tables and views"] > before["tables and views"]
        assert "gmail.mailbox" in installed["models"] - before["models"]

        odoo.run(database, "server", "-u", ADDON, "--stop-after-init")
        assert odoo.server.query(STATE, database) == ["installed"]
        updated = _inventory(odoo, database)
        # An update also notes which models of other addons inherit ours: Odoo's way.
        updated["inheritance"] = installed["inheritance"]
        assert _added(installed, updated) == {}
        # Nor does it note the fields of an abstract model of ours on the models of
        # addons that are loaded after it: Odoo's way again; they work all the same.
        lost = _added(updated, installed)
        assert lost.keys() <= {"fields", "external ids"}
        names = [name for found in lost.values() for name in found]
        assert all(name.endswith(ON_EVERY_DOCUMENT) for name in names), names

        odoo.run(database, "shell", "--no-http", script=UNINSTALL)
        assert odoo.server.query(STATE, database) == ["uninstalled"]
        after = _inventory(odoo, database)
        assert _added(before, after) == {}
        assert _added(after, before) == {}


def test_installs_again_after_uninstalling(odoo):
    """A second installation on the same database is as clean as the first."""
    with odoo.temporary(odoo.base_template(("mail",)), "again") as database:
        odoo.run(database, "server", "-i", ADDON, "--stop-after-init")
        odoo.run(database, "shell", "--no-http", script=UNINSTALL)
        odoo.run(database, "server", "-i", ADDON, "--stop-after-init")
        assert odoo.server.query(STATE, database) == ["installed"]
