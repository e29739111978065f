"""Users, customers and settings of ./dev run; fed to `odoo shell` on its input."""

# ruff: noqa: F821 - odoo shell provides `env`.
SALES = ["base.group_user", "base.group_partner_manager"]
SALES += ["sales_team.group_sale_salesman"]
USERS = [
    ("demo", "Anna Keller", "anna.keller@corp-example.test", SALES),
    ("ben", "Ben Schulz", "ben.schulz@corp-example.test", ["base.group_user"]),
]
CUSTOMERS = [
    ("Nordwind Logistik", True, "office@nordwind.example", None),
    ("Clara Vogel", False, "clara.vogel@nordwind.example", "Nordwind Logistik"),
    ("Blue Harbour Ltd", True, "hello@blueharbour.example", None),
    ("Tom Becker", False, "tom.becker@blueharbour.example", "Blue Harbour Ltd"),
    ("Lea Martin", False, "lea.martin@customer.example", None),
]

env["res.company"].browse(1).name = "Corp Example"
for login, name, email, groups in USERS:
    user = env["res.users"].search([("login", "=", login)])
    values = {
        "login": login,
        "name": name,
        "email": email,
        "password": login,
        "notification_type": "inbox",
        "group_ids": [(6, 0, [env.ref(group).id for group in groups])],
    }
    if user:
        user.write(values)
    else:
        env["res.users"].with_context(no_reset_password=True).create(values)
env.ref("base.user_admin").write({"email": "admin@corp-example.test"})

# OdooBot's chat opens by itself, over whatever one is about to click.
users = env["res.users"].search([])
if "odoobot_state" in users._fields:
    users.odoobot_state = "disabled"
# The stand-in has no quota, and a new user should not have to wait for one.
env["ir.config_parameter"].set_param("gmail_oauth_mailbox.quota_profile", "unmetered")

partners = {}
for name, is_company, email, parent in CUSTOMERS:
    partners[name] = env["res.partner"].create(
        {
            "name": name,
            "is_company": is_company,
            "email": email,
            "parent_id": partners[parent].id if parent else False,
        }
    )

parameters = env["ir.config_parameter"]
parameters.set_param(
    "google_gmail_client_id", "standin-client.apps.googleusercontent.com"
)
parameters.set_param("google_gmail_client_secret", "standin-secret")
env.cr.commit()
