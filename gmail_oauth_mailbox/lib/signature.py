"""The signature at the end of a mail that is being written."""

from lxml import html

SIGNATURE = "o_gmail_signature"


def block(signature):
    """Return a signature (HTML) as it stands in a mail, or "" for an empty one."""
    return f'<p><br></p><div class="{SIGNATURE}">{signature}</div>' if signature else ""


def exchange(body, old, new):
    """Return a mail with another signature, where the old one stands as it was.

    What its writer has changed or deleted stays so.

    :param body: HTML
    :param old: HTML of the signature that was put there, or ""
    :param new: HTML of the signature to put there, or ""

    >>> exchange(f"<p>Yes</p>{block('Anna')}", "Anna", "Sales")
    '<p>Yes</p><p><br></p><div class="o_gmail_signature">Sales</div>'
    """
    if not old:
        return f"{body}{block(new)}"
    root = html.fragment_fromstring(body, create_parent="div")
    for found in root.find_class(SIGNATURE):
        if _words(found) == _words(_parsed(old)):
            for child in list(found):
                child.drop_tree()
            fresh = _parsed(new)
            found.text = fresh.text
            found.extend(fresh)
    return html.tostring(root, encoding="unicode")[len("<div>") : -len("</div>")]


def _parsed(text):
    return html.fragment_fromstring(text, create_parent="div")


def _words(element):
    return element.text_content().split()
