"""What every test of this folder shares."""

import importlib.abc
import pathlib
import sys

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "corpus"


class _OneCopy(importlib.abc.MetaPathFinder):
    """Refuse `import gmail_oauth_mailbox`: it would load the addon a second time."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] == "gmail_oauth_mailbox":
            raise ImportError(f"import odoo.addons.{fullname} instead of {fullname}")
        return None


sys.meta_path.insert(0, _OneCopy())


def pytest_report_header():
    """Say it when the corpus of mails is missing: its tests do not exist then."""
    if not CORPUS.is_dir():
        return "corpus folder not found: its tests are not collected"
    return None
