"""The one-way flow of the addon, checked in its source text."""

import ast
import pathlib
import re
import sys

import pytest

ADDON = pathlib.Path(__file__).resolve().parent.parent / "gmail_oauth_mailbox"
# What lib is allowed to build on, besides the standard library and itself.
LIB_MAY_IMPORT = {
    "chardet",
    "cryptography",
    "google",
    "google_auth_oauthlib",
    "googleapiclient",
    "httplib2",
    "idna",
    # Odoo's own.
    "lxml",
    "nh3",
    "orjson",
    "phonenumbers",
    "publicsuffixlist",
    "requests",
    "urllib3",
    "webencodings",
}
HTTP = {"requests", "httplib2", "httpx", "aiohttp", "urllib3", "googleapiclient"}
HTTP_MODULES = ("urllib.request", "http.client")


def _sources(folder):
    files = sorted((ADDON / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python file"
    return files


def _imports(path):
    """Yield (module, level) of every import in the file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.level
            for alias in node.names:
                yield f"{base}.{alias.name}".lstrip("."), node.level


def _name(path):
    return str(path.relative_to(ADDON))


@pytest.mark.parametrize("path", _sources("lib"), ids=_name)
def test_lib_is_pure(path):
    """lib imports its own siblings, the standard library and the listed packages."""
    for module, level in _imports(path):
        if level:
            depth = len(path.relative_to(ADDON / "lib").parts)
            assert level <= depth, f"{path.name} reaches above lib: {module}"
            continue
        top = module.partition(".")[0]
        assert top in sys.stdlib_module_names | LIB_MAY_IMPORT, f"imports {module}"


@pytest.mark.parametrize("path", _sources("lib"), ids=_name)
def test_only_the_transport_speaks_http(path):
    """requests is imported by lib/transport.py alone."""
    used = {module.partition(".")[0] for module, level in _imports(path) if not level}
    if path.name != "transport.py":
        assert "requests" not in used
        assert not {module for module, _level in _imports(path)} & set(HTTP_MODULES)


@pytest.mark.parametrize("folder", ["models", "services", "controllers", "wizard"])
def test_odoo_side_makes_no_http_of_its_own(folder):
    """Everything that talks to Google goes through lib."""
    for path in _sources(folder):
        for module, level in _imports(path):
            if level:
                continue
            assert module.partition(".")[0] not in HTTP, f"{path}: {module}"
            assert module not in HTTP_MODULES, f"{path}: {module}"


def test_models_know_only_types_and_errors_of_lib():
    """Models use the values and errors of lib, none of its clients."""
    clients = {"transport", "oauth", "gmail_api", "people_api", "batch"}
    for path in _sources("models"):
        for module, _level in _imports(path):
            parts = module.split(".")
            if "lib" in parts:
                used = set(parts[parts.index("lib") + 1 :])
                assert not used & clients, f"{path.name} imports {module}"


def test_models_do_not_import_services_or_controllers():
    """A model reaches a service through the registry only, so nothing is circular."""
    for path in _sources("models"):
        for module, level in _imports(path):
            assert not (level and re.match(r"(services|controllers|wizard)\b", module))


def test_nobody_calls_upwards():
    """Services know neither controllers nor wizards."""
    for path in _sources("services"):
        for module, level in _imports(path):
            assert not (level and re.match(r"(controllers|wizard)\b", module)), path


# Slow, or deadly, with texts that strangers can write.
UNBOUNDED = {
    "email_normalize",
    "email_normalize_all",
    "email_split",
    "email_split_and_format",
    "email_split_tuples",
    "getaddresses",
    "html2plaintext",
    "html_sanitize",
    "is_html_empty",
    "message_from_bytes",
    "message_from_string",
    "parseaddr",
    "parsedate_to_datetime",
    "plaintext2html",
}


@pytest.mark.parametrize("folder", ["models", "services", "controllers", "wizard"])
def test_odoo_side_parses_within_bounds(folder):
    """Parsers of Odoo and the standard library are called by parsers.py alone."""
    for path in _sources(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = {alias.name for alias in node.names}
                assert not names & UNBOUNDED, f"{_name(path)} imports {names}"
            elif isinstance(node, ast.Attribute) and node.attr in UNBOUNDED:
                owner = ast.unparse(node.value)
                assert owner not in ("tools", "utils", "mail", "email"), _name(path)


def test_tokens_live_in_one_service():
    """Only services/gmail_oauth.py and the model itself name a token field."""
    fields = re.compile(r"\b(?:refresh|access)_token(?:_encrypted|_cipher)?\b")
    allowed = {"services/gmail_oauth.py", "models/gmail_credential.py"}
    # Of ciphertexts, which it encrypts anew.
    allowed |= {"services/gmail_keys.py"}
    # The field of the outbox that a revocation leaves behind.
    allowed |= {"models/gmail_revocation.py"}
    # Those that wait for their user's choice.
    allowed |= {"models/gmail_authorization.py"}
    for folder in ("models", "services", "controllers", "wizard"):
        for path in _sources(folder):
            if _name(path) not in allowed:
                found = fields.search(path.read_text(encoding="utf-8"))
                assert not found, f"{_name(path)} names {found and found[0]}"


def test_transactions_are_committed_by_odoo():
    """No bare commit of the request's cursor in models, controllers and wizards."""
    for folder in ("models", "controllers", "wizard"):
        for path in _sources(folder):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\b(?:env\.cr|self\._cr|cr)\.commit\(", text), path
