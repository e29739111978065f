"""The template holds every text that users read, and no other."""

from io import BytesIO
from pathlib import Path

import polib

from odoo.tests import TransactionCase, tagged
from odoo.tools.translate import trans_export

ADDON = "gmail_oauth_mailbox"
TEMPLATE = Path(__file__).resolve().parents[1] / ADDON / "i18n" / f"{ADDON}.pot"


@tagged("standard", "post_install", "-at_install")
class TestTranslations(TransactionCase):
    def test_template_is_up_to_date(self):
        """Remedy: ./dev odoo i18n export gmail_oauth_mailbox -l pot."""
        with BytesIO() as buffer:
            trans_export(False, [ADDON], buffer, "po", self.env)
            exported = polib.pofile(buffer.getvalue().decode())
        stored = polib.pofile(str(TEMPLATE))
        self.assertEqual({e.msgid for e in stored}, {e.msgid for e in exported})
        self.assertGreater(len(stored), 200)
